//! Creating accounts: with a DID of their own making here, or one that moves in.
//!
//! A fresh account, step by step: check everything that can be checked
//! ([`super::sign_up`]); make
//! and sign the genesis of its DID; write the intent into the journal; submit
//! to the directory; one commit with account, key, empty repository, events,
//! session, the use of the invite code and the end of the intent.

use serde_json::Value;

use super::Accounts;
use super::journal::Begun;
use super::sign_up::{Checked, CreateError, SignUp, recovery_key};
use crate::atproto::crypto::{DidKey, SigningKey};
use crate::atproto::did_doc::DidDocument;
use crate::atproto::event::{AccountEvent, Frame, HostingStatus, IdentityEvent};
use crate::atproto::plc::{InvalidOperation, Operation, State, Unsigned};
use crate::atproto::syntax::{Did, Handle};
use crate::service::identity::{Freshness, IdentityError, Permitted, PlcError};
use crate::service::service_tokens::Verified;
use crate::service::sessions::{Credential, TokenPair};
use crate::store::accounts::{self, NewAccount};
use crate::store::{
    AccountId, Batch, Commit, CommitError, StoreError, Unmet, invites, keys, sessions,
};
use crate::world::crash;

/// An account was created.
pub struct Created {
    /// Its DID.
    pub did: Did,
    /// Its handle.
    pub handle: Handle,
    /// Its first session.
    pub tokens: TokenPair,
    /// Its DID document, where this server has just written it.
    pub document: Option<Value>,
}

/// Whether an account begins in use.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// It is new, and the network is told.
    Active,
    /// It moves in, and stays quiet until all of it has arrived.
    Deactivated,
}

/// Everything of which an account is made.
struct Making<'m> {
    did: &'m Did,
    checked: &'m Checked,
    key: &'m SigningKey,
    beginning: Beginning,
}

impl Accounts {
    /// Creates an account with a new did:plc.
    ///
    /// # Errors
    /// [`CreateError`]; then there is no account, and no DID either or one
    /// that is ended as soon as the directory can be reached.
    pub async fn create(&self, sign_up: &SignUp) -> Result<Created, CreateError> {
        let recovery_key = recovery_key(sign_up)?;
        let checked = self.check(sign_up).await?;
        if let Permitted::External(_) = checked.permitted {
            return Err(CreateError::UnsupportedDomain);
        }
        let key = self.keys.generate();
        let state = self.first_state(&checked, &key, recovery_key);
        let genesis = Unsigned::Operation { state: state.clone(), prev: None };
        let genesis = genesis.sign(self.identity.rotation_key())?;
        let did = genesis.did().ok_or(InvalidOperation::Type)?;
        let begun = self.submit(&did, &genesis).await?;
        let beginning = Beginning::Active;
        let making = Making { did: &did, checked: &checked, key: &key, beginning };
        let mut batch = Batch::new();
        begun.finish(&mut batch);
        match self.make(&making, batch).await {
            Ok(tokens) => {
                let document = DidDocument::for_plc_state(&did, &state).to_json().clone();
                let handle = checked.permitted.handle().clone();
                Ok(Created { did, handle, tokens, document: Some(document) })
            }
            Err(error) => Err(self.undone(&begun, error).await),
        }
    }

    /// Admits an account with a DID that lives elsewhere: deactivated, with an
    /// empty repository, and without a word to the network.
    ///
    /// # Errors
    /// [`CreateError`].
    // spec: account#pds-account-migration
    pub async fn admit(&self, sign_up: &SignUp, who: &Verified) -> Result<Created, CreateError> {
        if accounts::find_by_did(&self.store.db, &who.did).await?.is_some() {
            return Err(CreateError::Exists);
        }
        let checked = self.check(sign_up).await?;
        if let Permitted::External(handle) = &checked.permitted {
            self.check_leads_to(handle, &who.did).await?;
        }
        let mut batch = Batch::new();
        who.consume(&mut batch);
        let key = match keys::find_reserved_for(&self.store.db, &who.did).await? {
            Some(reserved) => {
                keys::consume_reserved(&mut batch, &reserved.did_key);
                self.keys.open(&who.did, &reserved)?
            }
            None => self.keys.generate(),
        };
        let beginning = Beginning::Deactivated;
        let making = Making { did: &who.did, checked: &checked, key: &key, beginning };
        let tokens = self.make(&making, batch).await?;
        let handle = checked.permitted.handle().clone();
        Ok(Created { did: who.did.clone(), handle, tokens, document: None })
    }

    async fn check_leads_to(&self, handle: &Handle, did: &Did) -> Result<(), CreateError> {
        match self.identity.resolve_handle(handle, Freshness::Recheck).await {
            Ok(found) if found == *did => Ok(()),
            Err(IdentityError::Store(error)) => Err(error.into()),
            Ok(_) | Err(_) => Err(CreateError::HandleElsewhere),
        }
    }

    /// The owner's key outranks the operator's, and both the server's: that is
    /// what lets them take the DID back within the directory's 72 hours.
    fn first_state(
        &self,
        checked: &Checked,
        key: &SigningKey,
        recovery_key: Option<DidKey>,
    ) -> State {
        let mut rotation_keys: Vec<DidKey> =
            recovery_key.into_iter().chain(self.settings.recovery_key.clone()).collect();
        rotation_keys.push(self.identity.rotation_key().public().did_key());
        rotation_keys.dedup();
        let handle = checked.permitted.handle();
        State::of_account(rotation_keys, key.public().did_key(), handle, &self.host.public_url)
    }

    /// Tells the directory, with the intent written down before.
    async fn submit(&self, did: &Did, genesis: &Operation) -> Result<Begun, CreateError> {
        let begun = self.begin(did, genesis).await?;
        crash::point("create: the intent is written down");
        match self.identity.plc().submit(did, genesis).await {
            Ok(()) => {
                crash::point("create: the directory knows the DID");
                Ok(begun)
            }
            Err(error @ (PlcError::Refused { .. } | PlcError::RateLimited)) => {
                self.give_up(&begun).await?;
                Err(error.into())
            }
            // The directory may have it: the journal settles that later.
            Err(error) => Err(error.into()),
        }
    }

    /// The one commit that makes the account.
    async fn make(&self, making: &Making<'_>, mut batch: Batch) -> Result<TokenPair, CreateError> {
        let Making { did, checked, key, beginning } = making;
        let id = accounts::allocate_id(&self.store.db).await?;
        let credential = Credential::own();
        let (session, tokens) = self.sessions.prepare(id, did, &credential)?;
        self.add_account(&mut batch, id, making);
        sessions::insert(&mut batch, &session);
        let genesis = self.repos.genesis(did, key)?;
        let frames = match beginning {
            Beginning::Active => self.announcement(making, genesis.frame),
            Beginning::Deactivated => Vec::new(),
        };
        let commit = Commit { account: id, batch, repo: Some(genesis.repo), frames };
        match self.store.db.commit(commit).await {
            Ok(_) => {
                crash::point("create: the account is there");
                Ok(tokens)
            }
            Err(CommitError::Unmet(unmet)) => Err(self.refused(checked, did, unmet).await),
            Err(CommitError::Stale) => Err(CreateError::Exists),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }

    /// What the network is told of a new account: who it is, that it is served,
    /// what it holds. In this order: a relay takes no commit of an account that
    /// it does not know to be active.
    // spec: account#hosting-status-propagation
    fn announcement(&self, making: &Making<'_>, commit: Frame) -> Vec<Frame> {
        let time = self.world.clock.now();
        let (did, handle) = (making.did.clone(), making.checked.permitted.handle().clone());
        let identity = IdentityEvent { did: did.clone(), handle: Some(handle), time };
        let account = AccountEvent { did, status: HostingStatus::Active, time };
        vec![Frame::identity(&identity), Frame::account(&account), commit]
    }

    fn add_account(&self, batch: &mut Batch, id: AccountId, making: &Making<'_>) {
        let Making { did, checked, key, beginning } = making;
        let now = self.world.clock.now();
        let new = NewAccount {
            id,
            did: (*did).clone(),
            handle: checked.permitted.handle().clone(),
            email: checked.email.clone(),
            password_hash: checked.password_hash.clone(),
            created_at: now,
            deactivated_at: (*beginning == Beginning::Deactivated).then_some(now),
        };
        accounts::insert(batch, &new);
        self.keys.put(batch, id, did, key);
        if let Some(code) = &checked.invite_code {
            invites::consume(batch, code, did, now);
        }
    }

    /// Somebody was faster: says at what.
    async fn refused(&self, checked: &Checked, did: &Did, unmet: Unmet) -> CreateError {
        match unmet {
            Unmet::InviteUnavailable => CreateError::InviteUnavailable,
            Unmet::NonceUsed => CreateError::Replayed,
            Unmet::AccountTaken => match self.check_free(checked.permitted.handle()).await {
                Err(error) => error,
                Ok(()) => {
                    tracing::debug!(did = %did.as_str(), "An account of this DID exists.");
                    CreateError::Exists
                }
            },
            other => StoreError::Unexpected(other).into(),
        }
    }

    /// The error with which a creation ends whose DID the directory knows:
    /// where it is certain that there is no account, its DID is ended.
    async fn undone(&self, begun: &Begun, error: CreateError) -> CreateError {
        // The account may be there after all; if so, the intent is gone.
        if !matches!(error, CreateError::Store(StoreError::OutcomeUnknown))
            && let Err(undo) = self.undo(begun).await
        {
            tracing::warn!("A DID without an account will be ended later: {undo}.");
        }
        error
    }
}
