//! A request for authorization, from the app's push to the code.
//!
//! A request is bound to the browser that opens it first. What comes next
//! follows from who is signed in there, what the app wants to be shown, and what
//! was agreed to before; each page asks for it anew, so that none can be skipped.
//!
//! Spec: <https://atproto.com/specs/oauth#summary-of-authorization-flow>

use std::time::Duration;

use super::authentication::{Authenticated, Shown};
use super::clients::Trust;
use super::parameters::{Form, Parameters, Prompt};
use super::permission_sets::PermissionSetError;
use super::tokens::request_id;
use super::{OAuth, OAuthError, is_barred};
use crate::atproto::oauth::Client;
use crate::atproto::scope::Scopes;
use crate::service::devices::{Browser, Fresh, SignedIn};
use crate::store::accounts::Account;
use crate::store::oauth::consents::{self, Consent};
use crate::store::oauth::requests::{self, Agreed, Request};
use crate::store::{Batch, RunError, StoreError, Unmet};

/// How long a request waits to be opened.
pub const OPEN_WITHIN: Duration = Duration::from_secs(5 * 60);
/// How long somebody may look at a page: letters have to be read, passwords
/// found.
const ANSWER_WITHIN: Duration = Duration::from_secs(30 * 60);
/// How long a code is good.
const CODE_LIFE: Duration = Duration::from_secs(2 * 60);

/// A request that was taken.
pub struct Pushed {
    /// What stands for it in the browser.
    pub request_uri: String,
    /// How long it waits to be opened.
    pub expires_in: Duration,
}

/// A request that is open in a browser.
#[derive(Debug)]
pub struct Asked {
    /// Its name.
    pub id: String,
    /// Who asks.
    pub client: Client,
    /// Whether the operator answers for them.
    pub trust: Trust,
    /// For what.
    pub parameters: Parameters,
    request: Request,
}

/// Why a request is not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nobody may be sent anywhere: it is shown on a page.
    #[error(transparent)]
    Here(#[from] OAuthError),
    /// The app is told.
    #[error("{1}")]
    ToApp(Box<Asked>, OAuthError),
}

/// What comes next for a request.
#[derive(Debug)]
pub enum Step {
    /// Somebody signs up.
    SignUp,
    /// Somebody signs in: as whom, if that is known.
    SignIn(Option<String>),
    /// Somebody says who they are, of those that are signed in.
    Choose(Vec<SignedIn>),
    /// Somebody is asked whether they agree.
    Consent(Box<Account>),
    /// Nothing more: it was agreed to before.
    Agreed(Box<Account>),
    /// The app is told that it cannot be.
    Refuse(OAuthError),
}

/// What somebody agrees to.
pub struct Agreement<'a> {
    /// The request.
    pub asked: &'a Asked,
    /// The browser.
    pub browser: &'a Browser,
    /// Who agrees.
    pub account: &'a Account,
    /// The scopes, of those that were asked for; others are not looked at.
    pub scopes: &'a [String],
}

impl OAuth {
    /// Takes the request of an app.
    ///
    /// # Errors
    /// [`OAuthError`].
    // spec: oauth#pushed-authorization-requests-par
    pub async fn push(&self, form: &Form, shown: &Shown<'_>) -> Result<Pushed, OAuthError> {
        let Authenticated { client, client_key, dpop_key } = self.authenticate(form, shown).await?;
        if form.get("dpop_jkt").is_some_and(|key| *key != dpop_key) {
            return Err(OAuthError::Proof("dpop_jkt is not the key of the proof".to_owned()));
        }
        let parameters = Parameters::read(form, &client, self.clients.trust(&client))?;
        self.sets.included(&parameters.scopes()).await?;
        let (id, request_uri) = self.texts.new_request();
        let now = self.now();
        let request = Request {
            id,
            client_id: client.id,
            client_key,
            dpop_key: Some(dpop_key),
            parameters: serde_json::to_string(&parameters)
                .map_err(|error| OAuthError::request(error.to_string()))?,
            device: None,
            account: None,
            scope: None,
            created_at: now,
            expires_at: now.plus(OPEN_WITHIN),
        };
        let mut batch = Batch::new();
        requests::insert(&mut batch, &request);
        self.store.db.run(batch).await?;
        Ok(Pushed { request_uri, expires_in: OPEN_WITHIN })
    }

    /// Opens a request in a browser, or finds it open there.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(
        &self,
        client_id: &str,
        request_uri: &str,
        browser: &Browser,
    ) -> Result<Asked, OpenError> {
        let unknown = || OAuthError::request("request_uri is not known, or was answered already");
        let id = request_id(request_uri).ok_or_else(unknown)?;
        let found = requests::find(&self.store.db, id).await.map_err(OAuthError::from)?;
        let request = found.ok_or_else(unknown)?;
        if request.client_id != client_id {
            return Err(OAuthError::request("request_uri is of another client").into());
        }
        let client = self.clients.find(client_id).await?;
        let parameters: Parameters = serde_json::from_str(&request.parameters)
            .map_err(|error| OAuthError::request(error.to_string()))?;
        // The client may have changed what it says since.
        if !client.admits_redirect(&parameters.redirect_uri) {
            let message = "redirect_uri is not one that the client declares any more";
            return Err(OAuthError::request(message).into());
        }
        let trust = self.clients.trust(&client);
        let device = request.device.clone();
        let (id, expires_at) = (id.to_owned(), request.expires_at);
        let asked = Asked { id, client, trust, parameters, request };
        if device.is_some_and(|device| device != browser.device.id) {
            let message = "this request is open in another browser";
            return Err(OAuthError::request(message).into());
        }
        let now = self.now();
        if expires_at <= now {
            let error = OAuthError::Denied("the request has expired: start again in the app");
            return Err(OpenError::ToApp(Box::new(asked), error));
        }
        let mut batch = Batch::new();
        requests::open(&mut batch, &asked.id, &browser.device.id, now.plus(ANSWER_WITHIN));
        match self.store.db.run(batch).await {
            Ok(()) => Ok(asked),
            Err(RunError::Unmet(Unmet::RequestMoved)) => Err(unknown().into()),
            Err(error) => Err(OAuthError::from(error).into()),
        }
    }

    /// Says what comes next. `chosen` is whom somebody picked on a page.
    ///
    /// # Errors
    /// The store's.
    pub async fn next(
        &self,
        asked: &Asked,
        signed_in: &[SignedIn],
        chosen: Option<&str>,
    ) -> Result<Step, StoreError> {
        if asked.parameters.prompt == Some(Prompt::None) {
            return self.next_unseen(asked, signed_in).await;
        }
        let hint = asked.parameters.login_hint.as_deref();
        let wanted = chosen.or(hint);
        let candidates: Vec<&SignedIn> =
            signed_in.iter().filter(|one| wanted.is_none_or(|name| is_named(one, name))).collect();
        let prompt = asked.parameters.prompt;
        let picked = match (&*candidates, prompt) {
            ([], Some(Prompt::Create)) if chosen.is_none() => return Ok(Step::SignUp),
            ([], _) => return Ok(Step::SignIn(wanted.map(str::to_owned))),
            (_, Some(Prompt::Create)) if chosen.is_none() => return Ok(Step::SignUp),
            // An app that names nobody, or asks for it, has people say who they are.
            (many, prompt)
                if chosen.is_none()
                    && (many.len() > 1 || prompt == Some(Prompt::SelectAccount)) =>
            {
                return Ok(Step::Choose(many.iter().map(|&one| one.clone()).collect()));
            }
            ([one, ..], _) => *one,
        };
        let name = || Some(picked.account.did.as_str().to_owned());
        let again = prompt == Some(Prompt::Login)
            && picked.sign_in.signed_in_at <= asked.request.created_at;
        if picked.fresh == Fresh::No || again {
            return Ok(Step::SignIn(name()));
        }
        if is_barred(&picked.account) {
            return Ok(Step::Refuse(OAuthError::Denied("the account has been taken down")));
        }
        let account = Box::new(picked.account.clone());
        match self.is_agreed(asked, &picked.account).await? {
            true => Ok(Step::Agreed(account)),
            false => Ok(Step::Consent(account)),
        }
    }

    /// What comes next where no page may be shown.
    async fn next_unseen(&self, asked: &Asked, signed_in: &[SignedIn]) -> Result<Step, StoreError> {
        let hint = asked.parameters.login_hint.as_deref();
        let meant = |one: &&SignedIn| hint.is_none_or(|name| is_named(one, name));
        let mut fresh =
            signed_in.iter().filter(|one| one.fresh == Fresh::Yes && !is_barred(&one.account));
        let candidates: Vec<&SignedIn> = fresh.by_ref().filter(meant).collect();
        Ok(match &*candidates {
            [] => Step::Refuse(OAuthError::LoginRequired),
            [one] => match self.is_agreed(asked, &one.account).await? {
                true => Step::Agreed(Box::new(one.account.clone())),
                false => Step::Refuse(OAuthError::ConsentRequired),
            },
            _ => Step::Refuse(OAuthError::AccountSelectionRequired),
        })
    }

    /// Whether an account has agreed to all of this before, to an app that is
    /// surely the same.
    async fn is_agreed(&self, asked: &Asked, account: &Account) -> Result<bool, StoreError> {
        if asked.parameters.prompt == Some(Prompt::Consent) {
            return Ok(false);
        }
        if asked.trust == Trust::FirstParty {
            return Ok(true);
        }
        if !asked.client.is_confidential() {
            return Ok(false);
        }
        let before = self.agreed_before(asked, account).await?;
        Ok(asked.parameters.scope.split(' ').all(|scope| before.iter().any(|old| old == scope)))
    }

    /// The scopes that an account has allowed an app before.
    ///
    /// # Errors
    /// The store's.
    pub async fn agreed_before(
        &self,
        asked: &Asked,
        account: &Account,
    ) -> Result<Vec<String>, StoreError> {
        let found = consents::find(&self.store.db, account.id, &asked.client.id).await?;
        let scopes = found.map(|consent| consent.scope).unwrap_or_default();
        Ok(scopes.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect())
    }

    /// Gives the code for what somebody agrees to, and remembers it.
    ///
    /// # Errors
    /// [`OAuthError`].
    pub async fn agree(&self, agreement: &Agreement<'_>) -> Result<String, OAuthError> {
        let Agreement { asked, browser, account, scopes } = agreement;
        let allowed = |scope: &&str| scopes.iter().any(|allowed| allowed == scope);
        let given: Vec<&str> = asked.parameters.scope.split(' ').filter(allowed).collect();
        let scope = given.join(" ");
        if !Scopes::parse(&scope).is_atproto() {
            return Err(OAuthError::Denied("the account must at least agree to be known"));
        }
        let code = self.texts.new_code();
        let now = self.now();
        let agreed = Agreed {
            id: &asked.id,
            device: &browser.device.id,
            account: account.id,
            scope: &scope,
            code_digest: &code.digest,
            expires_at: now.plus(CODE_LIFE),
        };
        let mut batch = Batch::new();
        requests::agree(&mut batch, &agreed);
        let client_id = asked.client.id.clone();
        let consent = Consent { account: account.id, client_id, scope, given_at: now };
        consents::put(&mut batch, &consent);
        match self.store.db.run(batch).await {
            Ok(()) => Ok(code.text),
            Err(RunError::Unmet(Unmet::RequestMoved)) => {
                Err(OAuthError::request("this request was answered already"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Ends a request that somebody refused.
    ///
    /// # Errors
    /// The store's.
    pub async fn refuse(&self, asked: &Asked) -> Result<(), OAuthError> {
        let mut batch = Batch::new();
        requests::delete(&mut batch, &asked.id);
        Ok(self.store.db.run(batch).await?)
    }
}

/// Whether a name, a handle or a DID in lower case, means somebody.
fn is_named(one: &SignedIn, name: &str) -> bool {
    one.account.did.as_str() == name || one.account.handle.as_str() == name
}

impl From<PermissionSetError> for OAuthError {
    fn from(error: PermissionSetError) -> Self {
        match error {
            PermissionSetError::Store(error) => Self::Store(error),
            error => Self::Scope(error.to_string()),
        }
    }
}
