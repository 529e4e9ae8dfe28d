//! Letters to account holders.
//!
//! This room takes a finished letter to whatever delivers it: the terminal of
//! a developer, or a test's pocket. It does not write letters and does not
//! know why one is sent.

use std::{
    io::{self, Write},
    sync::Arc,
};

use parking_lot::Mutex;

/// One letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The address it goes to.
    pub to: String,
    /// The subject line.
    pub subject: String,
    /// The body as plain text.
    pub text: String,
}

/// A letter was not taken.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The operator has not said how mail is sent.
    #[error("this server is not set up to send mail")]
    NotConfigured,
    /// The sink failed.
    #[error("the mail could not be handed on")]
    Sink(#[from] io::Error),
}

/// How mail is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MailSettings {
    /// Not at all: what needs a letter fails with [`MailError::NotConfigured`].
    #[default]
    Off,
    /// Printed to the terminal, for `freehold dev`.
    Terminal,
}

/// Sends letters; cheap to clone.
#[derive(Clone, Debug)]
pub struct Mail(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Off,
    Terminal,
    /// What a test's mailbox holds, shared with the test.
    Fake(Arc<Mutex<Vec<Letter>>>),
}

impl Mail {
    /// Returns the mail that `settings` ask for.
    pub fn new(settings: MailSettings) -> Self {
        Self(match settings {
            MailSettings::Off => Kind::Off,
            MailSettings::Terminal => Kind::Terminal,
        })
    }

    /// Returns mail that a test collects with [`Mail::collect`].
    pub fn fake() -> Self {
        Self(Kind::Fake(Arc::default()))
    }

    /// Hands `letter` over.
    ///
    /// # Errors
    /// [`MailError`], when nothing will deliver it.
    pub async fn send(&self, letter: Letter) -> Result<(), MailError> {
        match &self.0 {
            Kind::Off => Err(MailError::NotConfigured),
            Kind::Terminal => Ok(print(&letter, &mut io::stdout().lock())?),
            Kind::Fake(letters) => {
                letters.lock().push(letter);
                Ok(())
            }
        }
    }

    /// Takes the letters that a fake has received, oldest first; none from others.
    pub fn collect(&self) -> Vec<Letter> {
        match &self.0 {
            Kind::Fake(letters) => std::mem::take(&mut letters.lock()),
            Kind::Off | Kind::Terminal => Vec::new(),
        }
    }
}

fn print(letter: &Letter, out: &mut impl Write) -> io::Result<()> {
    let Letter { to, subject, text } = letter;
    writeln!(out, "\n--- mail to {to}: {subject}\n{}\n---", text.trim_end())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            to: "alice@example.com".into(),
            subject: "Your code".into(),
            text: "abcde-fghij\n".into(),
        }
    }

    #[tokio::test]
    async fn a_fake_keeps_letters_and_no_mail_says_so() {
        let mail = Mail::fake();
        mail.clone().send(letter()).await.expect("a fake takes all");
        assert_eq!(mail.collect(), [letter()]);
        assert_eq!(mail.collect(), []);
        let refused = Mail::new(MailSettings::Off).send(letter()).await;
        assert!(matches!(refused, Err(MailError::NotConfigured)));
    }

    #[test]
    fn the_terminal_shows_whom_and_what() {
        let mut out = Vec::new();
        print(&letter(), &mut out).expect("a vector takes all");
        let shown = String::from_utf8(out).expect("text");
        assert!(shown.contains("alice@example.com: Your code\nabcde-fghij\n---"));
    }
}
