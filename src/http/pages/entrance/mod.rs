//! The ways in: sign in, sign up, a new password.

mod code;
mod handle_check;
mod kit;
mod passkey;
mod password;
mod sign_in;
mod sign_up;

pub use code::{check_code, show_code};
pub use handle_check::{PATH as HANDLE_PATH, check_handle};
pub use passkey::{check_passkey, script_fault, show_passkey};
pub use password::{ask_for_code, request_code, set_password, show_set_password};
pub use sign_in::{show_sign_in, sign_in, sign_in_page, sign_out};
pub use sign_up::{show_sign_up, sign_up, sign_up_page};

use maud::{Markup, html};

/// A field of a form: what it is for, what to know, what was wrong.
pub struct Field<'f> {
    /// Its name.
    pub name: &'f str,
    /// What kind of input.
    pub kind: &'f str,
    /// What it is for.
    pub label: String,
    /// What to know about it.
    pub hint: Option<String>,
    /// What stands in it.
    pub value: Option<&'f str>,
    /// What browsers may fill it with.
    pub autocomplete: &'f str,
}

impl Field<'_> {
    /// The field, which must be filled.
    pub fn required(&self) -> Markup {
        self.markup(Presence::Required)
    }

    /// The field, which may stay empty.
    pub fn optional(&self) -> Markup {
        self.markup(Presence::Optional)
    }

    fn markup(&self, presence: Presence) -> Markup {
        let id = format!("field-{}", self.name);
        let hint = format!("{id}-hint");
        let plain = ["username", "one-time-code", "email"].contains(&self.autocomplete);
        html! {
            div.field {
                label for=(id) { (self.label) }
                @if let Some(text) = &self.hint { p.hint id=(hint) { (text) } }
                input id=(id) name=(self.name) type=(self.kind) value=[self.value]
                    autocomplete=(self.autocomplete)
                    required[presence == Presence::Required]
                    autocapitalize=[plain.then_some("none")] spellcheck=[plain.then_some("false")]
                    aria-describedby=[self.hint.as_ref().map(|_| &hint)];
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Required,
    Optional,
}

/// What was wrong, above a form.
pub fn fault(text: Option<&str>) -> Markup {
    html! { @if let Some(text) = text { div.fault role="alert" { p { (text) } } } }
}
