//! The forms of a move, and what its page asks for while it goes on.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use super::page::{Told, forgotten, moving_page};
use super::{MOVE, PATH};
use crate::http::App;
use crate::http::pages::failure::Failure;
use crate::http::pages::visitor::{Sender, Visitor};
use crate::http::pages::words::Words;
use crate::service::migration::{Moving, Part, Stage, Step, Way};
use crate::service::rates::Bucket;

/// `/account/moving`
pub async fn show(State(app): State<App>, visitor: Visitor) -> Response {
    let found = visitor.asked(MOVE).and_then(|id| of(&app, &visitor, id));
    let page = match found {
        Some(moving) => moving_page(&app, &visitor, &moving, Told::default()),
        None => forgotten(visitor.words),
    };
    visitor.answer(&app, page.into_response(&app)).await
}

/// How far it is, for the page's script.
pub async fn progress(State(app): State<App>, visitor: Visitor) -> Response {
    let Some(moving) = visitor.asked(MOVE).and_then(|id| of(&app, &visitor, id)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let step = moving.step();
    let told = json!({
        "stage": name(&moving.stage()),
        "said": step.map(|step| said(visitor.words, &step)),
        "done": step.map(|step| step.done),
        "total": step.map(|step| step.total),
    });
    axum::Json(told).into_response()
}

fn said(words: &Words, step: &Step) -> String {
    let part = match step.part {
        Part::Records => words.say("move-records"),
        Part::Blobs => words.say("move-blobs"),
    };
    format!("{part}: {} / {}", step.done, step.total)
}

/// Begins to copy.
pub async fn copy(State(app): State<App>, sender: Sender) -> Response {
    let visitor = &sender.visitor;
    let Some(moving) = of_form(&app, &sender) else { return lost(&app, visitor).await };
    let new_account = Bucket::NewAccount;
    if moving.way == Way::In && visitor.meter.spend_by_address(new_account, 1).is_err() {
        return Failure::TooMany.into_page(&app, visitor.words);
    }
    let password = sender.field("password").unwrap_or_default().to_owned();
    let invite = sender.field("invite").map(|code| code.trim().to_owned());
    app.moves.copy(&moving, password, invite);
    back(&app, visitor, &moving).await
}

/// Has the old server mail the code.
pub async fn send_code(State(app): State<App>, sender: Sender) -> Response {
    let (visitor, words) = (&sender.visitor, sender.visitor.words);
    let Some(moving) = of_form(&app, &sender) else { return lost(&app, visitor).await };
    let told = match app.moves.send_code(&moving).await {
        Ok(()) => Told { done: Some(words.say("move-code-sent")), ..Told::default() },
        Err(error) => Told {
            wrong: Some(words.say("move-failed")),
            detail: Some(error.to_string()),
            ..Told::default()
        },
    };
    let page = moving_page(&app, visitor, &moving, told);
    visitor.answer(&app, page.into_response(&app)).await
}

/// Passes the point of no return.
pub async fn change_over(State(app): State<App>, sender: Sender) -> Response {
    let visitor = &sender.visitor;
    let Some(moving) = of_form(&app, &sender) else { return lost(&app, visitor).await };
    let code = sender.field("code").unwrap_or_default().trim().to_owned();
    app.moves.change_over(&moving, code);
    back(&app, visitor, &moving).await
}

fn of(app: &App, visitor: &Visitor, id: &str) -> Option<Arc<Moving>> {
    app.moves.find(id, &visitor.browser.device.id)
}

fn of_form(app: &App, sender: &Sender) -> Option<Arc<Moving>> {
    of(app, &sender.visitor, sender.field(MOVE)?)
}

async fn back(app: &App, visitor: &Visitor, moving: &Moving) -> Response {
    visitor.go(app, &format!("{PATH}?{MOVE}={}", moving.id)).await
}

async fn lost(app: &App, visitor: &Visitor) -> Response {
    visitor.answer(app, forgotten(visitor.words).into_response(app)).await
}

/// What the script calls a stage.
pub fn name(stage: &Stage) -> &'static str {
    match stage {
        Stage::Planned => "planned",
        Stage::Copying => "copying",
        Stage::Copied { .. } => "copied",
        Stage::ChangingOver => "changing-over",
        Stage::Arrived(_) => "arrived",
        Stage::Stopped { .. } => "stopped",
    }
}
