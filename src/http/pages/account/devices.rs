//! Browsers in which the account is signed in, and their end.

use axum::extract::State;
use axum::response::Response;
use maud::html;

use super::moment;
use super::resident::{Resident, Shown, Submission};
use crate::http::App;
use crate::http::pages::failure::Failure;
use crate::service::devices::kind_of;

/// `/account/devices`
pub async fn show(State(app): State<App>, resident: Resident) -> Response {
    let words = resident.words();
    let devices = match app.devices.of_account(resident.account.id).await {
        Ok(devices) => devices,
        Err(error) => return resident.fail(&app, error),
    };
    let here = &resident.visitor.browser.device.id;
    let body = html! {
        section.panel {
            p { (words.say("devices-text")) }
            ul.plain.rows {
                @for (device, sign_in) in &devices {
                    li {
                        div.what {
                            strong { (kind_of(&device.user_agent)) } " "
                            @if device.id == *here { span.tag.good { (words.say("this-device")) } }
                            br; small.quiet {
                                (words.say("last-seen")) " " (moment(device.seen_at))
                                @if !device.address.is_empty() { " · " (device.address) }
                                " · " (words.say("signed-in")) " " (moment(sign_in.signed_in_at))
                            }
                        }
                        form method="post" action="/account/devices/sign-out" {
                            (resident.fields(&app))
                            input type="hidden" name="device" value=(device.id);
                            button.danger type="submit" aria-label=(words.say_with("sign-out-of", &[("name", kind_of(&device.user_agent))])) { (words.say("sign-out")) }
                        }
                    }
                }
            }
        }
        section.panel {
            h2 { (words.say("everywhere")) }
            p { (words.say("everywhere-text")) }
            form method="post" action="/account/devices/sign-out" {
                (resident.fields(&app))
                input type="hidden" name="device" value="*";
                div.buttons { button.danger type="submit" { (words.say("everywhere-button")) } }
            }
        }
    };
    let title = words.say("devices");
    resident.show(&app, Shown { place: "devices", title, wrong: None, done: None, body }).await
}

/// Signs the account out of one browser, or everywhere and of every app.
pub async fn sign_out(State(app): State<App>, sent: Submission) -> Response {
    let resident = &sent.resident;
    let device = sent.field("device").unwrap_or_default();
    let outcome = match device {
        "*" => app.sessions.end_all(resident.account.id).await.map_err(Failure::from),
        device => app.devices.sign_out(device, resident.account.id).await.map_err(Failure::from),
    };
    match outcome {
        Ok(()) => resident.go(&app, "/account/devices").await,
        Err(failure) => resident.fail(&app, failure),
    }
}
