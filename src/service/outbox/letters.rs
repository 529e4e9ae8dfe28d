//! What letters say.
//!
//! Subjects are those of the official server, and a code stands in the text as
//! it stands there, because people's mail filters and tools look for both. The
//! HTML is made from the same paragraphs as the text.

use crate::atproto::syntax::Handle;
use crate::store::email_tokens::Purpose;
use crate::world::mail::{Letter, Sender};

/// What has changed about the safety of an account.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'n> {
    /// Somebody signed in in a browser that was not known.
    NewDevice {
        /// What it is.
        device: &'n str,
        /// Where it is.
        address: &'n str,
    },
    /// A second factor is needed from now on.
    FactorAdded {
        /// Which one, in words.
        factor: &'n str,
    },
    /// It is needed no longer.
    FactorRemoved {
        /// Which one, in words.
        factor: &'n str,
    },
    /// A passkey opens the account from now on.
    PasskeyAdded {
        /// What its owner calls it.
        name: &'n str,
    },
    /// It opens the account no longer.
    PasskeyRemoved {
        /// What its owner calls it.
        name: &'n str,
    },
    /// No password opens the account any more.
    PasswordRemoved,
    /// A recovery code is gone.
    RecoveryCodeUsed {
        /// How many are left.
        left: usize,
    },
}

/// The letter that carries a code.
pub(super) fn code(to: &str, handle: &Handle, purpose: Purpose, code: &str) -> Letter {
    let name = handle.as_str();
    let (subject, first) = match purpose {
        Purpose::ConfirmEmail => (
            "Email Confirmation",
            format!("To confirm this email address for the account @{name}, enter this code:"),
        ),
        Purpose::UpdateEmail => (
            "Email Update Requested",
            format!("To change the email address of the account @{name}, enter this code:"),
        ),
        Purpose::ResetPassword => (
            "Password Reset Requested",
            format!("To set a new password for the account @{name}, enter this code:"),
        ),
        Purpose::DeleteAccount => (
            "Account Deletion Requested",
            format!("To delete the account @{name} for good, enter this code:"),
        ),
        Purpose::PlcOperation => (
            "PLC Update Operation Requested",
            format!("To change the identity of the account @{name}, enter this code:"),
        ),
        Purpose::SignIn => {
            ("Sign in code", format!("To sign in to the account @{name}, enter this code:"))
        }
    };
    let warning = match purpose {
        Purpose::DeleteAccount => "Deletion cannot be undone. ",
        Purpose::PlcOperation => "Whoever has it can take the account over. ",
        Purpose::SignIn => "Somebody has entered your password. ",
        _ => "",
    };
    let last = format!(
        "The code is good for 15 minutes and can be used once. {warning}If you did not ask for \
         it, you can ignore this letter: nothing happens without the code."
    );
    let paragraphs = [Paragraph::Text(&first), Paragraph::Code(code), Paragraph::Text(&last)];
    written(to, subject, &paragraphs)
}

/// The notice to an address that is no longer the account's.
pub(super) fn email_changed(to: &str, handle: &Handle) -> Letter {
    let name = handle.as_str();
    let first = format!(
        "The account @{name} has another email address from now on, and this address receives \
         nothing more about it."
    );
    let last = "If you did not change it, write to the operator of the server at once.";
    written(to, "Email Address Changed", &[Paragraph::Text(&first), Paragraph::Text(last)])
}

/// The notice that something about the safety of an account has changed.
pub(super) fn notice(to: &str, handle: &Handle, notice: &Notice<'_>) -> Letter {
    let name = handle.as_str();
    let (subject, first) = match notice {
        Notice::NewDevice { device, address } => (
            "New Sign-In",
            format!("Somebody has signed in to the account @{name} with {device}, from {address}."),
        ),
        Notice::FactorAdded { factor } => (
            "Sign-In Security Changed",
            format!("From now on, signing in to the account @{name} also takes {factor}."),
        ),
        Notice::FactorRemoved { factor } => (
            "Sign-In Security Changed",
            format!("From now on, signing in to the account @{name} no longer takes {factor}."),
        ),
        Notice::PasskeyAdded { name: passkey } => (
            "Sign-In Security Changed",
            format!("The passkey \"{passkey}\" opens the account @{name} from now on."),
        ),
        Notice::PasskeyRemoved { name: passkey } => (
            "Sign-In Security Changed",
            format!("The passkey \"{passkey}\" opens the account @{name} no longer."),
        ),
        Notice::PasswordRemoved => (
            "Sign-In Security Changed",
            format!("The account @{name} has no password any more. Its passkeys open it."),
        ),
        Notice::RecoveryCodeUsed { left } => (
            "Recovery Code Used",
            format!(
                "A recovery code was used to sign in to the account @{name}. {left} of them are left."
            ),
        ),
    };
    let last = "If it was not you, set a new password and sign out all devices at once.";
    written(to, subject, &[Paragraph::Text(&first), Paragraph::Text(last)])
}

/// A letter in the words of the operator or a moderator, whose tools write
/// HTML. Without a subject it has a general one, since mail without any is
/// taken for spam.
pub(super) fn of_operator(to: &str, subject: Option<&str>, content: &str) -> Letter {
    Letter {
        to: to.to_owned(),
        subject: subject.unwrap_or("Message from your server's moderators").to_owned(),
        text: text_of(content),
        html: content.to_owned(),
        sender: Sender::Moderation,
    }
}

/// The letter with which an operator tries whether mail arrives.
pub fn trial(to: &str, hostname: &str) -> Letter {
    let text = format!("This is a test of the mail of {hostname}. It has arrived.");
    written(to, "Test of your server's mail", &[Paragraph::Text(&text)])
}

enum Paragraph<'p> {
    Text(&'p str),
    Code(&'p str),
}

fn written(to: &str, subject: &str, paragraphs: &[Paragraph<'_>]) -> Letter {
    let text = paragraphs.iter().map(|paragraph| match paragraph {
        Paragraph::Text(text) => format!("{text}\n"),
        Paragraph::Code(code) => format!("    {code}\n"),
    });
    Letter {
        to: to.to_owned(),
        subject: subject.to_owned(),
        text: text.collect::<Vec<_>>().join("\n"),
        html: html(paragraphs),
        sender: Sender::Accounts,
    }
}

fn html(paragraphs: &[Paragraph<'_>]) -> String {
    let mut html = String::from(
        "<!doctype html>\n<html><body style=\"font-family: sans-serif; line-height: 1.5\">\n",
    );
    for paragraph in paragraphs {
        html.push_str(&match paragraph {
            Paragraph::Text(text) => format!("<p>{}</p>\n", escaped(text).replace('\n', "<br>\n")),
            Paragraph::Code(code) => format!(
                "<p style=\"font-family: monospace; font-size: 1.5em\"><b>{}</b></p>\n",
                escaped(code)
            ),
        });
    }
    html.push_str("</body></html>\n");
    html
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// What remains of HTML for whoever reads text: its words, with a line end
/// where an element ends that stands on lines of its own.
fn text_of(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let Some((tag, further)) = after.split_once('>') else {
            // No tag: a sign that somebody wrote as it is.
            text.push('<');
            rest = after;
            continue;
        };
        let tag = tag.trim().to_ascii_lowercase();
        let name = tag.split(|c: char| !c.is_ascii_alphanumeric() && c != '/').next();
        rest = match name.unwrap_or_default() {
            "br" | "br/" | "/p" | "/div" | "/li" | "/tr" | "/h1" | "/h2" | "/h3"
            | "/blockquote" => {
                text.push('\n');
                further
            }
            "style" => further.split_once("</style>").map_or("", |(_, behind)| behind),
            "script" => further.split_once("</script>").map_or("", |(_, behind)| behind),
            _ => further,
        };
    }
    text.push_str(rest);
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " ")];
    let text = named.iter().fold(text, |text, (name, sign)| text.replace(name, sign));
    text.replace("&amp;", "&").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_stands_in_text_and_html_under_the_official_subject() {
        let handle = Handle::new("alice.pds.test".to_owned()).expect("a handle");
        let subjects = [
            "Email Confirmation",
            "Email Update Requested",
            "Password Reset Requested",
            "Account Deletion Requested",
            "PLC Update Operation Requested",
        ];
        for (purpose, subject) in Purpose::ALL.into_iter().zip(subjects) {
            let letter = code("alice@mail.test", &handle, purpose, "ABCDE-23456");
            assert_eq!((&*letter.to, &*letter.subject), ("alice@mail.test", subject));
            assert!(letter.text.contains("    ABCDE-23456\n"), "{}", letter.text);
            assert!(letter.html.contains("<b>ABCDE-23456</b>"), "{}", letter.html);
            assert!(letter.text.contains("@alice.pds.test"), "{}", letter.text);
        }
    }

    #[test]
    fn what_a_moderator_writes_can_be_read_as_text() {
        let check = |html: &str, expected: &str| {
            let letter = of_operator("a@mail.test", None, html);
            assert_eq!((&*letter.text, &*letter.html), (expected, html));
        };
        check("plain", "plain");
        check("<p>Tom &amp; <b>Jerry</b>,</p><p>bye<br>now</p>", "Tom & Jerry,\nbye\nnow");
        check("<style>p { x }</style>1 &lt; 2", "1 < 2");
        check("1 < 2", "1 < 2");
        check("&amp;lt;", "&lt;");
    }
}
