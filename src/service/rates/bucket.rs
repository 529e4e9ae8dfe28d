//! What is counted, and how much of it is allowed.

use std::time::Duration;

const MINUTES_5: Duration = Duration::from_secs(5 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One thing that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// Requests under `/xrpc/`, except for archives.
    Requests,
    /// `sync.getRepo` and `sync.getCheckout`.
    Archives,
    /// Writes of records: a create is 3 points, an update 2, a deletion 1.
    RecordWrites,
    /// Log-ins, per identifier and address.
    LogIn,
    /// Sign-ups.
    NewAccount,
    /// `resetPassword`: attempts at a code.
    PasswordReset,
    /// `deleteAccount`: attempts at a password and a code.
    Deletion,
    /// Letters to addresses that a visitor names.
    ResetLetter,
    /// Letters with a code to confirm the address.
    ConfirmationLetter,
    /// Letters with a code to change the address.
    UpdateLetter,
    /// Letters with a code to delete the account.
    DeletionLetter,
    /// Letters with a code to sign an identity operation. The official server
    /// does not count them; they cost what the others cost.
    IdentityLetter,
    /// Changes of the handle.
    HandleChange,
    /// Uploads of blobs by accounts in use.
    Upload,
    /// Uploads of blobs by accounts that are moving in, which bring all of
    /// theirs at once: the official limit would stop every larger move.
    ImportUpload,
    /// Wrong passwords for the administrator. The official server does not
    /// count them; whoever guesses right owns the server.
    AdminPassword,
}

/// Who has a window of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The client's address.
    Address,
    /// The calling account.
    Account,
    /// What the method's handler says.
    Handler,
}

/// How much a bucket allows within a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// Points in one window.
    pub points: u32,
    /// How long it lasts, from the first point that is taken.
    pub window: Duration,
}

const fn allowed(points: u32, window: Duration) -> Allowed {
    Allowed { points, window }
}

impl Bucket {
    /// The windows of this bucket; a request must fit into each.
    pub fn allowed(self) -> &'static [Allowed] {
        const REQUESTS: &[Allowed] = &[allowed(3_000, MINUTES_5)];
        const ARCHIVES: &[Allowed] = &[allowed(6_000, MINUTES_5)];
        const RECORD_WRITES: &[Allowed] = &[allowed(5_000, HOUR), allowed(35_000, DAY)];
        const LOG_IN: &[Allowed] = &[allowed(30, MINUTES_5), allowed(300, DAY)];
        const SIGN_UP: &[Allowed] = &[allowed(100, MINUTES_5)];
        const CODES: &[Allowed] = &[allowed(50, MINUTES_5)];
        const RESET_LETTERS: &[Allowed] = &[allowed(15, HOUR), allowed(50, DAY)];
        const LETTERS: &[Allowed] = &[allowed(5, HOUR), allowed(15, DAY)];
        const HANDLE_CHANGES: &[Allowed] = &[allowed(10, MINUTES_5), allowed(50, DAY)];
        const UPLOADS: &[Allowed] = &[allowed(1_000, DAY)];
        const IMPORT_UPLOADS: &[Allowed] = &[allowed(100_000, DAY)];
        const ADMIN_PASSWORDS: &[Allowed] = &[allowed(30, MINUTES_5)];
        match self {
            Self::Requests => REQUESTS,
            Self::Archives => ARCHIVES,
            Self::RecordWrites => RECORD_WRITES,
            Self::LogIn => LOG_IN,
            Self::NewAccount => SIGN_UP,
            Self::PasswordReset | Self::Deletion => CODES,
            Self::ResetLetter => RESET_LETTERS,
            Self::ConfirmationLetter
            | Self::UpdateLetter
            | Self::DeletionLetter
            | Self::IdentityLetter => LETTERS,
            Self::HandleChange => HANDLE_CHANGES,
            Self::Upload => UPLOADS,
            Self::ImportUpload => IMPORT_UPLOADS,
            Self::AdminPassword => ADMIN_PASSWORDS,
        }
    }

    /// Who has a window of their own in this bucket.
    pub fn subject(self) -> Subject {
        match self {
            Self::Requests
            | Self::Archives
            | Self::NewAccount
            | Self::PasswordReset
            | Self::Deletion
            | Self::ResetLetter
            | Self::AdminPassword => Subject::Address,
            Self::LogIn => Subject::Handler,
            Self::RecordWrites
            | Self::ConfirmationLetter
            | Self::UpdateLetter
            | Self::DeletionLetter
            | Self::IdentityLetter
            | Self::HandleChange
            | Self::Upload
            | Self::ImportUpload => Subject::Account,
        }
    }
}
