//! The page of a move: how far it is, and what is needed next.

use maud::{Markup, html};

use super::steps::name;
use super::{IN_PATH, MOVE, PATH};
use crate::http::App;
use crate::http::pages::assets::FOLLOW_PATH;
use crate::http::pages::entrance::{Field, fault};
use crate::http::pages::page::Page;
use crate::http::pages::visitor::Visitor;
use crate::http::pages::words::Words;
use crate::service::migration::{Both, Invite, MoveError, Moving, Needs, Stage, Tally, Way};

/// What is said above a stage.
#[derive(Default)]
pub struct Told {
    /// What went wrong.
    pub wrong: Option<String>,
    /// What a server said about it.
    pub detail: Option<String>,
    /// What was done.
    pub done: Option<String>,
}

/// The page of a move.
pub fn moving_page(app: &App, visitor: &Visitor, moving: &Moving, told: Told) -> Page {
    let words = visitor.words;
    let stage = moving.stage();
    let (resting, stopped) = match &stage {
        Stage::Stopped { why, from } => (&**from, Some(why)),
        stage => (stage, None),
    };
    let title = match (&stage, moving.way) {
        (Stage::Arrived(_), _) => words.say("move-arrived"),
        (_, Way::In) => words.say("move-in"),
        (_, Way::Out) => words.say("move-away"),
    };
    let fields = html! {
        (visitor.form_token(app))
        input type="hidden" name=(MOVE) value=(moving.id);
    };
    let body = html! {
        h1 { (title) }
        (fault(told.wrong.as_deref()))
        @if let Some(why) = stopped { (fault(Some(&reason(words, why)))) pre { (causes(why)) } }
        @if let Some(detail) = &told.detail { pre { (detail) } }
        @if let Some(text) = &told.done { div.done role="status" { p { (text) } } }
        (facts(words, moving))
        @match resting {
            Stage::Planned => (planned(words, moving, &fields)),
            Stage::Copying | Stage::ChangingOver | Stage::Stopped { .. } => (under_way(words, moving, &stage)),
            Stage::Copied { both, needs } => (copied(words, moving, (both, needs), &fields)),
            Stage::Arrived(both) => (arrived(words, moving, both)),
        }
    };
    Page::card(words, title, body)
}

/// A page for a move that is not known.
pub fn forgotten(words: &'static Words) -> Page {
    let title = words.say("move-forgotten");
    let body = html! {
        h1 { (title) }
        p { (words.say("move-forgotten-text")) }
        div.buttons {
            a.button href=(IN_PATH) { (words.say("move-in")) }
            a.button.second href="/account/data" { (words.say("data")) }
        }
    };
    Page::card(words, title, body).with_status(http::StatusCode::NOT_FOUND)
}

fn reason(words: &Words, why: &MoveError) -> String {
    let refused = |name: &str| matches!(why, MoveError::Call(error) if error.is(name));
    match why {
        MoveError::DocumentUnchanged => words.say("move-document-unchanged"),
        _ if refused("InvalidInviteCode") => words.say("bad-invite"),
        _ if refused("HandleNotAvailable") => words.say("taken-handle"),
        _ if refused("InvalidPassword") => words.say("bad-password"),
        _ if refused("ExpiredToken") => words.say("code-expired"),
        _ if refused("InvalidToken") => words.say("code-wrong"),
        _ => words.say("move-stopped"),
    }
}

fn causes(why: &MoveError) -> String {
    let mut text = why.to_string();
    let mut source = std::error::Error::source(why);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn facts(words: &Words, moving: &Moving) -> Markup {
    let plan = &moving.plan;
    let rows = [
        (words.say("move-from"), format!("{} ({})", plan.old_handle, moving.from())),
        (words.say("move-to"), format!("{} ({})", plan.new_handle, moving.to())),
        (words.say("email"), plan.email.clone()),
        (words.say("move-records"), plan.records.to_string()),
        (words.say("move-blobs"), plan.blobs.to_string()),
    ];
    html! {
        dl.facts { @for (name, value) in rows { dt { (name) } dd { (value) } } }
    }
}

fn planned(words: &Words, moving: &Moving, fields: &Markup) -> Markup {
    html! {
        p { (words.say("move-planned")) }
        form method="post" action="/account/moving/copy" {
            (fields)
            (Field {
                name: "password", kind: "password", label: words.say("move-new-password"),
                hint: Some(words.say("move-new-password-hint")), value: None,
                autocomplete: "new-password",
            }.required())
            @if moving.needs_invite() == Invite::Wanted {
                (Field {
                    name: "invite", kind: "text", label: words.say("invite-code"),
                    hint: Some(words.say("move-invite-hint")), value: None, autocomplete: "off",
                }.optional())
            }
            div.buttons { button type="submit" { (words.say("move-copy")) } }
        }
    }
}

/// The page's script puts new numbers in, and asks for the page anew when the
/// stage is another one.
fn under_way(words: &Words, moving: &Moving, stage: &Stage) -> Markup {
    let source = format!("{PATH}/progress?{MOVE}={}", moving.id);
    let text = match stage {
        Stage::ChangingOver => words.say("move-changing"),
        _ => words.say("move-copying"),
    };
    html! {
        p #step { (text) }
        div.follow data-follow=(source) data-stage=(name(stage)) {
            progress aria-labelledby="step" {}
            p.hint data-told="" {}
        }
        p.small { a href=(format!("{PATH}?{MOVE}={}", moving.id)) { (words.say("move-look-again")) } }
        script src=(FOLLOW_PATH.as_str()) defer {}
    }
}

fn copied(
    words: &Words,
    moving: &Moving,
    (both, needs): (&Both, &Needs),
    fields: &Markup,
) -> Markup {
    html! {
        div.done role="status" { p { (words.say("move-copied")) } }
        (table(words, both))
        (lost(words, moving))
        h2 { (words.say("move-last-step")) }
        p { (words.say_with("move-last-step-text", &[("server", moving.to())])) }
        @match needs {
            Needs::Code => {
                form method="post" action="/account/moving/code" {
                    (fields)
                    p { (words.say("move-code-text")) }
                    div.buttons { button.second type="submit" { (words.say("send-code")) } }
                }
            },
            Needs::Document(document) => {
                p { (words.say("move-document")) }
                pre { (document) }
            },
            Needs::Nothing => {},
        }
        form method="post" action="/account/moving/change" {
            (fields)
            @if matches!(needs, Needs::Code) {
                (Field {
                    name: "code", kind: "text", label: words.say("code"), hint: None,
                    value: None, autocomplete: "one-time-code",
                }.required())
            }
            div.buttons { button.danger type="submit" { (words.say("move-change")) } }
        }
    }
}

fn arrived(words: &Words, moving: &Moving, both: &Both) -> Markup {
    html! {
        div.done role="status" {
            p { (words.say_with("move-arrived-text", &[("handle", &moving.plan.new_handle), ("server", moving.to())])) }
        }
        (table(words, both))
        (lost(words, moving))
        p { (words.say("move-afterwards")) }
        @if moving.way == Way::In {
            div.buttons { a.button href="/account/sign-in" { (words.say("sign-in")) } }
        }
    }
}

/// What was copied, counted and compared.
fn table(words: &Words, both: &Both) -> Markup {
    let rows = [
        (words.say("move-records"), &both.old.records, &both.new.records),
        (words.say("move-blobs"), &both.old.blobs, &both.new.blobs),
        (words.say("move-preferences"), &both.old.preferences, &both.new.preferences),
    ];
    let verdict = |old: &Tally, new: &Tally| match old == new {
        true => words.say("move-equal"),
        false => words.say("move-different"),
    };
    html! {
        table {
            thead { tr {
                th scope="col" { (words.say("move-what")) }
                th scope="col" { (words.say("move-from")) }
                th scope="col" { (words.say("move-to")) }
                th scope="col" { (words.say("move-compared")) }
            } }
            tbody {
                @for (name, old, new) in rows {
                    tr { th scope="row" { (name) } td { (old.count) } td { (new.count) } td { (verdict(old, new)) } }
                }
            }
        }
    }
}

fn lost(words: &Words, moving: &Moving) -> Markup {
    let lost = moving.lost();
    html! {
        @if !lost.is_empty() {
            details {
                summary { (words.say("move-lost")) }
                ul { @for cid in lost { li.mono { (cid) } } }
            }
        }
    }
}
