//! Factors turned on and off; their owner is told each time.

use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use super::{FactorError, Factors, owner_of, totp};
use crate::service::outbox::letters::Notice;
use crate::store::Batch;
use crate::store::accounts::Account;
use crate::store::factors;
use crate::store::vault::NONCE_BYTES;

/// Recovery codes that are given out at once.
pub const RECOVERY_CODES: usize = 10;
/// Characters of a recovery code, five bits each, in two parts.
const RECOVERY_CHARS: usize = 10;
/// A secret for an authenticator app, shown while it is set up.
pub struct Setup {
    /// For typing: letters and digits.
    pub secret: String,
    /// For scanning.
    pub uri: String,
}

impl Factors {
    /// Begins to set an authenticator app up: its secret, shown once and not asked
    /// for until a code of it was shown.
    ///
    /// # Errors
    /// [`FactorError::Exists`].
    pub async fn begin_totp(&self, account: &Account, issuer: &str) -> Result<Setup, FactorError> {
        let secret = Zeroizing::new(self.world.entropy.bytes::<{ totp::SECRET_BYTES }>());
        let nonce = self.world.entropy.bytes::<NONCE_BYTES>();
        let sealed = self.vault.seal(&owner_of(account), &*secret, nonce);
        let mut batch = Batch::new();
        factors::put_totp(&mut batch, account.id, &sealed, self.now());
        self.store.db.run(batch).await?;
        Ok(setup(&*secret, account, issuer))
    }

    /// Ends setting an app up: with a code of it, it is asked for from now on.
    ///
    /// # Errors
    /// [`FactorError::Wrong`].
    pub async fn confirm_totp(&self, account: &Account, code: &str) -> Result<(), FactorError> {
        self.use_totp(account, code.trim()).await?;
        self.tell(account, &Notice::FactorAdded { factor: "a code of an authenticator app" }).await
    }

    /// Forgets the authenticator app.
    ///
    /// # Errors
    /// The store's.
    pub async fn remove_totp(&self, account: &Account) -> Result<(), FactorError> {
        let mut batch = Batch::new();
        factors::delete_totp(&mut batch, account.id);
        factors::delete_trusts(&mut batch, account.id);
        self.store.db.run(batch).await?;
        let factor = "a code of an authenticator app";
        self.tell(account, &Notice::FactorRemoved { factor }).await
    }

    /// Has codes mailed at each sign-in.
    ///
    /// # Errors
    /// [`FactorError::EmailUnconfirmed`], [`FactorError::MailOff`].
    pub async fn add_email(&self, account: &Account) -> Result<(), FactorError> {
        if account.email_confirmed_at.is_none() {
            return Err(FactorError::EmailUnconfirmed);
        }
        if !self.email_tokens.sends() {
            return Err(FactorError::MailOff);
        }
        let mut batch = Batch::new();
        factors::set_email(&mut batch, account.id, self.now());
        self.store.db.run(batch).await?;
        self.tell(account, &Notice::FactorAdded { factor: "a code by e-mail" }).await
    }

    /// Has no codes mailed any more.
    ///
    /// # Errors
    /// The store's.
    pub async fn remove_email(&self, account: &Account) -> Result<(), FactorError> {
        let mut batch = Batch::new();
        factors::delete_email(&mut batch, account.id);
        factors::delete_trusts(&mut batch, account.id);
        self.store.db.run(batch).await?;
        self.tell(account, &Notice::FactorRemoved { factor: "a code by e-mail" }).await
    }

    /// Gives out new recovery codes; those before are void.
    ///
    /// # Errors
    /// The store's.
    pub async fn new_recovery_codes(&self, account: &Account) -> Result<Vec<String>, FactorError> {
        let mut batch = Batch::new();
        factors::delete_recovery(&mut batch, account.id);
        let mut codes = Vec::new();
        for _ in 0..RECOVERY_CODES {
            let random = self.world.entropy.token_base32(RECOVERY_CHARS);
            let (first, second) = random.split_at(RECOVERY_CHARS / 2);
            let code = format!("{first}-{second}");
            let digest = self.digest(account, &code);
            factors::insert_recovery(&mut batch, account.id, &digest, self.now());
            codes.push(code);
        }
        self.store.db.run(batch).await?;
        Ok(codes)
    }
}

fn setup(secret: &[u8], account: &Account, issuer: &str) -> Setup {
    let secret = BASE32_NOPAD.encode(secret);
    let encoded = |text: &str| {
        url::form_urlencoded::byte_serialize(text.as_bytes())
            .collect::<String>()
            .replace('+', "%20")
    };
    let (issuer, name) = (encoded(issuer), encoded(account.handle.as_str()));
    let uri = format!("otpauth://totp/{issuer}:{name}?secret={secret}&issuer={issuer}");
    Setup { secret, uri }
}
