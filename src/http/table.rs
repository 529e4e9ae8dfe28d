//! THE TABLE: every method this server answers itself, one line each.
//!
//! A line says the method's NSID, what it asks of its caller, its handler,
//! how large its body may be where that differs from a few fields of JSON, and
//! which bucket of the rates a call takes from beside that of all requests.
//! Whether it is a query or a procedure, what its parameters and bodies look
//! like, and which errors it may name, stands in its lexicon and is not
//! repeated here.

use std::sync::LazyLock;

use super::row::{Body, Table, row};
use super::xrpc::{actor, admin, identity, repo, server, sync, temp};
use crate::service::grants::Access::*;
use crate::service::rates::Bucket::*;

/// What writing a record takes, and what its change and its deletion do.
pub const CREATE_POINTS: u32 = 3;
/// See [`CREATE_POINTS`].
pub const UPDATE_POINTS: u32 = 2;
/// See [`CREATE_POINTS`].
pub const DELETE_POINTS: u32 = 1;

/// Every method of this server.
#[rustfmt::skip]
pub static TABLE: LazyLock<Table> = LazyLock::new(|| Table::of([
    // app.bsky.actor
    row("app.bsky.actor.getPreferences", Preferences, actor::get_preferences),
    row("app.bsky.actor.putPreferences", Preferences, actor::put_preferences),

    // com.atproto.admin
    row("com.atproto.admin.deleteAccount", Admin, admin::delete_account),
    row("com.atproto.admin.disableAccountInvites", Moderator, admin::disable_account_invites),
    row("com.atproto.admin.disableInviteCodes", Moderator, admin::disable_invite_codes),
    row("com.atproto.admin.enableAccountInvites", Moderator, admin::enable_account_invites),
    row("com.atproto.admin.getAccountInfo", Moderator, admin::get_account_info),
    row("com.atproto.admin.getAccountInfos", Moderator, admin::get_account_infos),
    row("com.atproto.admin.getInviteCodes", Moderator, admin::get_invite_codes),
    row("com.atproto.admin.getSubjectStatus", Moderator, admin::get_subject_status),
    row("com.atproto.admin.searchAccounts", Admin, admin::search_accounts),
    row("com.atproto.admin.sendEmail", Moderator, admin::send_email),
    row("com.atproto.admin.updateAccountEmail", Admin, admin::update_account_email),
    row("com.atproto.admin.updateAccountHandle", Admin, admin::update_account_handle),
    row("com.atproto.admin.updateAccountPassword", Admin, admin::update_account_password),
    row("com.atproto.admin.updateAccountSigningKey", Admin, admin::update_account_signing_key),
    row("com.atproto.admin.updateSubjectStatus", Moderator, admin::update_subject_status),

    // com.atproto.identity
    row("com.atproto.identity.getRecommendedDidCredentials", ReadStatus, identity::get_recommended_did_credentials),
    row("com.atproto.identity.refreshIdentity", Anyone, identity::refresh_identity),
    row("com.atproto.identity.requestPlcOperationSignature", SignIdentity, identity::request_plc_operation_signature).counts(IdentityLetter),
    row("com.atproto.identity.resolveDid", Anyone, identity::resolve_did),
    row("com.atproto.identity.resolveHandle", Anyone, identity::resolve_handle),
    row("com.atproto.identity.resolveIdentity", Anyone, identity::resolve_identity),
    row("com.atproto.identity.signPlcOperation", SignIdentity, identity::sign_plc_operation),
    row("com.atproto.identity.submitPlcOperation", SubmitIdentity, identity::submit_plc_operation),
    row("com.atproto.identity.updateHandle", UpdateHandle, identity::update_handle).counts(HandleChange),

    // com.atproto.repo
    row("com.atproto.repo.applyWrites", WriteRecords, repo::apply_writes).body(Body::Records),
    row("com.atproto.repo.createRecord", WriteRecords, repo::create_record).body(Body::Records).costs(CREATE_POINTS, RecordWrites),
    row("com.atproto.repo.deleteRecord", WriteRecords, repo::delete_record).costs(DELETE_POINTS, RecordWrites),
    row("com.atproto.repo.describeRepo", Anyone, repo::describe_repo),
    row("com.atproto.repo.getRecord", Anyone, repo::get_record),
    row("com.atproto.repo.importRepo", ImportRepo, repo::import_repo).body(Body::Repository),
    row("com.atproto.repo.listMissingBlobs", ReadStatus, repo::list_missing_blobs),
    row("com.atproto.repo.listRecords", Anyone, repo::list_records),
    row("com.atproto.repo.putRecord", WriteRecords, repo::put_record).body(Body::Records).costs(UPDATE_POINTS, RecordWrites),
    row("com.atproto.repo.uploadBlob", UploadBlob, repo::upload_blob).body(Body::Blob).counts(Upload),

    // com.atproto.server
    row("com.atproto.server.activateAccount", ManageAccount, server::activate_account),
    row("com.atproto.server.checkAccountStatus", ReadStatus, server::check_account_status),
    row("com.atproto.server.confirmEmail", ConfirmEmail, server::confirm_email),
    row("com.atproto.server.createAccount", SignUp, server::create_account).counts(NewAccount),
    row("com.atproto.server.createAppPassword", ManageCredentials, server::create_app_password),
    row("com.atproto.server.createInviteCode", Admin, server::create_invite_code),
    row("com.atproto.server.createInviteCodes", Admin, server::create_invite_codes),
    row("com.atproto.server.createSession", Anyone, server::create_session),
    row("com.atproto.server.deactivateAccount", ManageAccount, server::deactivate_account),
    row("com.atproto.server.deleteAccount", Anyone, server::delete_account).counts(Deletion),
    row("com.atproto.server.deleteSession", RefreshToken, server::delete_session),
    row("com.atproto.server.describeServer", Anyone, server::describe_server),
    row("com.atproto.server.getAccountInviteCodes", ManageCredentials, server::get_account_invite_codes),
    row("com.atproto.server.getServiceAuth", ServiceToken, server::get_service_auth),
    row("com.atproto.server.getSession", ReadSession, server::get_session),
    row("com.atproto.server.listAppPasswords", AppPasswords, server::list_app_passwords),
    row("com.atproto.server.refreshSession", RefreshToken, server::refresh_session),
    row("com.atproto.server.requestAccountDelete", ManageCredentials, server::request_account_delete).counts(DeletionLetter),
    row("com.atproto.server.requestEmailConfirmation", ConfirmEmail, server::request_email_confirmation).counts(ConfirmationLetter),
    row("com.atproto.server.requestEmailUpdate", UpdateEmail, server::request_email_update).counts(UpdateLetter),
    row("com.atproto.server.requestPasswordReset", Anyone, server::request_password_reset).counts(ResetLetter),
    row("com.atproto.server.reserveSigningKey", Anyone, server::reserve_signing_key),
    row("com.atproto.server.resetPassword", Anyone, server::reset_password).counts(PasswordReset),
    row("com.atproto.server.revokeAppPassword", AppPasswords, server::revoke_app_password),
    row("com.atproto.server.updateEmail", UpdateEmail, server::update_email),

    // com.atproto.sync
    row("com.atproto.sync.getBlob", AnyoneOrOwner, sync::get_blob),
    row("com.atproto.sync.getBlocks", AnyoneOrOwner, sync::get_blocks),
    row("com.atproto.sync.getCheckout", AnyoneOrOwner, sync::get_checkout).counts(Archives),
    row("com.atproto.sync.getHead", AnyoneOrOwner, sync::get_head),
    row("com.atproto.sync.getLatestCommit", AnyoneOrOwner, sync::get_latest_commit),
    row("com.atproto.sync.getRecord", AnyoneOrOwner, sync::get_record),
    row("com.atproto.sync.getRepo", AnyoneOrOwner, sync::get_repo).counts(Archives),
    row("com.atproto.sync.getRepoStatus", Anyone, sync::get_repo_status),
    row("com.atproto.sync.listBlobs", AnyoneOrOwner, sync::list_blobs),
    row("com.atproto.sync.listRepos", Anyone, sync::list_repos),
    row("com.atproto.sync.subscribeRepos", Anyone, sync::subscribe_repos),

    // com.atproto.temp
    row("com.atproto.temp.addReservedHandle", Admin, temp::add_reserved_handle),
    row("com.atproto.temp.checkHandleAvailability", Anyone, temp::check_handle_availability),
    row("com.atproto.temp.checkSignupQueue", ReadSession, temp::check_signup_queue),
    row("com.atproto.temp.revokeAccountCredentials", Admin, temp::revoke_account_credentials),
]));
