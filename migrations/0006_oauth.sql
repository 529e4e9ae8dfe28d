-- Apps that act for an account, and the browsers in which its owner said so.
-- What proves something (codes, tokens, cookies) is kept as a digest under a
-- key that is not in the database.

-- A browser in which somebody has signed in or is about to.
CREATE TABLE devices (
    id {TEXT} NOT NULL PRIMARY KEY,
    cookie_digest {BYTES} NOT NULL UNIQUE,
    user_agent {TEXT} NOT NULL,
    address {TEXT} NOT NULL,
    created_at {TEXT} NOT NULL,
    seen_at {TEXT} NOT NULL
) {STRICT};
CREATE INDEX devices_by_seen_at ON devices (seen_at);

-- Who is signed in there. From fresh_until on the password is asked for again.
CREATE TABLE sign_ins (
    device_id {TEXT} NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    account_id {INT} NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    signed_in_at {TEXT} NOT NULL,
    fresh_until {TEXT} NOT NULL,
    kept_at {TEXT},
    PRIMARY KEY (device_id, account_id)
) {CLUSTERED};
CREATE INDEX sign_ins_by_account ON sign_ins (account_id);

-- What an app has asked for, until its code is redeemed. With a code, somebody
-- has agreed: the account and the scopes stand beside it.
CREATE TABLE oauth_requests (
    id {TEXT} NOT NULL PRIMARY KEY,
    client_id {TEXT} NOT NULL,
    client_key {TEXT},
    dpop_key {TEXT},
    parameters {TEXT} NOT NULL,
    device_id {TEXT} REFERENCES devices (id) ON DELETE CASCADE,
    account_id {INT} REFERENCES accounts (id) ON DELETE CASCADE,
    scope {TEXT},
    code_digest {BYTES} UNIQUE,
    created_at {TEXT} NOT NULL,
    expires_at {TEXT} NOT NULL
) {STRICT};
CREATE INDEX oauth_requests_by_expires_at ON oauth_requests (expires_at);
CREATE INDEX oauth_requests_by_device ON oauth_requests (device_id);
CREATE INDEX oauth_requests_by_account ON oauth_requests (account_id);

-- An app that acts for an account. scope is what was agreed to, permissions what
-- that means in full since the last refresh.
CREATE TABLE oauth_sessions (
    id {TEXT} NOT NULL PRIMARY KEY,
    account_id {INT} NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    client_id {TEXT} NOT NULL,
    client_key {TEXT},
    dpop_key {TEXT} NOT NULL,
    scope {TEXT} NOT NULL,
    permissions {TEXT} NOT NULL,
    code_digest {BYTES} NOT NULL UNIQUE,
    refresh_digest {BYTES} UNIQUE,
    refresh_until {TEXT} NOT NULL,
    created_at {TEXT} NOT NULL,
    used_at {TEXT} NOT NULL,
    expires_at {TEXT} NOT NULL
) {STRICT};
CREATE INDEX oauth_sessions_by_account ON oauth_sessions (account_id);
CREATE INDEX oauth_sessions_by_refresh_until ON oauth_sessions (refresh_until);

-- Refresh tokens that were used: whoever shows one again has stolen it, or has
-- been stolen from.
CREATE TABLE oauth_spent_tokens (
    digest {BYTES} NOT NULL PRIMARY KEY,
    session_id {TEXT} NOT NULL REFERENCES oauth_sessions (id) ON DELETE CASCADE
) {STRICT};
CREATE INDEX oauth_spent_tokens_by_session ON oauth_spent_tokens (session_id);

-- What an account has agreed to before.
CREATE TABLE oauth_consents (
    account_id {INT} NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    client_id {TEXT} NOT NULL,
    scope {TEXT} NOT NULL,
    given_at {TEXT} NOT NULL,
    PRIMARY KEY (account_id, client_id)
) {CLUSTERED};

-- Permission sets as they were published, by their NSID.
CREATE TABLE permission_sets (
    nsid {TEXT} NOT NULL PRIMARY KEY,
    document {TEXT} NOT NULL,
    fetched_at {TEXT} NOT NULL
) {STRICT};
