//! `[mail]`: how codes reach people.

use crate::config::reader::{Reader, Section};
use crate::config::secret::Secret;

/// Section `[mail]`.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// Mail to accounts; `None` writes mails to the log as not sent.
    pub accounts: Option<Mailbox>,
    /// Mail that moderators write, where it goes another way.
    pub moderation: Option<Mailbox>,
    /// Whether a mail with a confirmation code also links to the app.
    pub confirmation_link: bool,
}

/// A way out for mail.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// The server to hand mail to; holds a password.
    pub smtp_url: Secret,
    /// The sender.
    pub from_address: String,
}

impl MailConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("mail");
        Self {
            accounts: mailbox(&mut section, "smtp_url", "from_address"),
            moderation: mailbox(&mut section, "moderation_smtp_url", "moderation_from_address"),
            confirmation_link: section.or("confirmation_link", true),
        }
    }
}

fn mailbox(section: &mut Section<'_>, url_key: &str, from_key: &str) -> Option<Mailbox> {
    let smtp_url = section.secret(url_key);
    let from_address = section.optional::<String>(from_key);
    match (smtp_url, from_address) {
        (Some(smtp_url), Some(from_address)) => Some(Mailbox { smtp_url, from_address }),
        (Some(_), None) => {
            section.fault(from_key, None, format!("wanted, since {url_key} is set"));
            None
        }
        (None, Some(_)) => {
            section.fault(url_key, None, format!("wanted, since {from_key} is set"));
            None
        }
        (None, None) => None,
    }
}
