-- The first tables. One text for both engines: {WORDS} are spelled by the
-- engine seam, statements end with a semicolon at the end of a line, and one
-- that begins with {POSTGRES} is left out on SQLite.
--
-- Moments are text of 24 characters (2026-01-02T03:04:05.678Z). A yes or no is
-- a moment that may be NULL. CIDs are their 36 bytes.

CREATE TABLE counters (
    name {TEXT} NOT NULL PRIMARY KEY,
    value {INT} NOT NULL
) {STRICT};
INSERT INTO counters (name, value) VALUES ('account', 0), ('plc_operation', 0);

-- One row: the last seq that was given to an event, and the one before the
-- group of events that was stored last, which tells a node that another wrote.
CREATE TABLE sequence (
    id {INT} NOT NULL PRIMARY KEY CHECK (id = 1),
    last {INT} NOT NULL,
    previous {INT} NOT NULL
) {STRICT};
INSERT INTO sequence (id, last, previous) VALUES (1, 0, 0);

CREATE TABLE accounts (
    id {INT} NOT NULL PRIMARY KEY,
    did {TEXT} NOT NULL UNIQUE,
    handle {TEXT} NOT NULL UNIQUE,
    email {TEXT} NOT NULL UNIQUE,
    email_confirmed_at {TEXT},
    password_hash {TEXT} NOT NULL,
    created_at {TEXT} NOT NULL,
    deactivated_at {TEXT},
    delete_after {TEXT},
    taken_down_at {TEXT},
    takedown_ref {TEXT},
    suspended_at {TEXT}
) {STRICT};
CREATE INDEX accounts_by_delete_after ON accounts (delete_after) WHERE delete_after IS NOT NULL;

-- Where each repository stands. The tree is made from the records.
CREATE TABLE heads (
    account_id {INT} NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    commit_cid {BYTES} NOT NULL,
    data_cid {BYTES} NOT NULL,
    rev {TEXT} NOT NULL,
    commit_bytes {BYTES} NOT NULL
) {STRICT};

-- The path is one text, collection/rkey, since that is the order of the tree.
CREATE TABLE records (
    account_id {INT} NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    path {TEXT} NOT NULL,
    cid {BYTES} NOT NULL,
    rev {TEXT} NOT NULL,
    value {BYTES} NOT NULL,
    PRIMARY KEY (account_id, path)
) {CLUSTERED};

-- The log of the firehose. No foreign key: the last event of an account tells
-- that it is gone. No index by account: every write would pay for it.
CREATE TABLE events (
    seq {INT} NOT NULL PRIMARY KEY,
    account_id {INT} NOT NULL,
    did {TEXT} NOT NULL,
    kind {TEXT} NOT NULL,
    at {TEXT} NOT NULL,
    bytes {BYTES} NOT NULL
) {STRICT};
-- Frames are mostly hashes: trying to compress them costs time and gains nothing.
{POSTGRES} ALTER TABLE events ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE sessions (
    id {TEXT} NOT NULL PRIMARY KEY,
    family {TEXT} NOT NULL,
    account_id {INT} NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    app_password {TEXT},
    created_at {TEXT} NOT NULL,
    expires_at {TEXT} NOT NULL,
    next_id {TEXT}
) {STRICT};
CREATE INDEX sessions_by_account ON sessions (account_id);
CREATE INDEX sessions_by_family ON sessions (family);
CREATE INDEX sessions_by_expires_at ON sessions (expires_at);

CREATE TABLE app_passwords (
    account_id {INT} NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name {TEXT} NOT NULL,
    password_hash {TEXT} NOT NULL,
    privileged_at {TEXT},
    created_at {TEXT} NOT NULL,
    PRIMARY KEY (account_id, name)
) {CLUSTERED};

CREATE TABLE invite_codes (
    code {TEXT} NOT NULL PRIMARY KEY,
    uses_max {INT} NOT NULL,
    uses_left {INT} NOT NULL CHECK (uses_left >= 0),
    for_account {TEXT} NOT NULL,
    created_by {TEXT} NOT NULL,
    created_at {TEXT} NOT NULL,
    disabled_at {TEXT}
) {STRICT};
CREATE INDEX invite_codes_by_account ON invite_codes (for_account);

CREATE TABLE invite_code_uses (
    code {TEXT} NOT NULL REFERENCES invite_codes (code) ON DELETE CASCADE,
    used_by {TEXT} NOT NULL,
    used_at {TEXT} NOT NULL,
    PRIMARY KEY (code, used_by)
) {CLUSTERED};

CREATE TABLE blobs (
    account_id {INT} NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    cid {BYTES} NOT NULL,
    mime_type {TEXT} NOT NULL,
    size_bytes {INT} NOT NULL,
    created_at {TEXT} NOT NULL,
    temporary_at {TEXT},
    taken_down_at {TEXT},
    PRIMARY KEY (account_id, cid)
) {CLUSTERED};
CREATE INDEX blobs_by_temporary_at ON blobs (temporary_at) WHERE temporary_at IS NOT NULL;

-- Which records refer to which blobs. No foreign key to blobs: an import
-- refers before the blobs arrive.
CREATE TABLE blob_refs (
    account_id {INT} NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    cid {BYTES} NOT NULL,
    path {TEXT} NOT NULL,
    PRIMARY KEY (account_id, cid, path)
) {CLUSTERED};
CREATE INDEX blob_refs_by_path ON blob_refs (account_id, path);

-- Bytes that nothing needs any more and a task will delete. By DID, since the
-- account may be gone.
CREATE TABLE blob_removals (
    did {TEXT} NOT NULL,
    cid {BYTES} NOT NULL,
    requested_at {TEXT} NOT NULL,
    PRIMARY KEY (did, cid)
) {CLUSTERED};

CREATE TABLE preferences (
    account_id {INT} NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    position {INT} NOT NULL,
    name {TEXT} NOT NULL,
    value {TEXT} NOT NULL,
    PRIMARY KEY (account_id, position)
) {CLUSTERED};

CREATE TABLE signing_keys (
    account_id {INT} NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    did_key {TEXT} NOT NULL,
    sealed {BYTES} NOT NULL,
    created_at {TEXT} NOT NULL
) {STRICT};

-- Keys for accounts that do not exist yet.
CREATE TABLE reserved_keys (
    did_key {TEXT} NOT NULL PRIMARY KEY,
    did {TEXT} UNIQUE,
    sealed {BYTES} NOT NULL,
    created_at {TEXT} NOT NULL
) {STRICT};

-- Secrets of the server itself.
CREATE TABLE server_keys (
    name {TEXT} NOT NULL PRIMARY KEY,
    did_key {TEXT} NOT NULL,
    sealed {BYTES} NOT NULL,
    created_at {TEXT} NOT NULL
) {STRICT};

CREATE TABLE did_cache (
    did {TEXT} NOT NULL PRIMARY KEY,
    document {TEXT} NOT NULL,
    fetched_at {TEXT} NOT NULL
) {STRICT};
CREATE INDEX did_cache_by_fetched_at ON did_cache (fetched_at);

CREATE TABLE nonces (
    nonce {TEXT} NOT NULL PRIMARY KEY,
    expires_at {TEXT} NOT NULL
) {STRICT};
CREATE INDEX nonces_by_expires_at ON nonces (expires_at);

-- Logs of did:plc DIDs, for the embedded directory.
CREATE TABLE plc_operations (
    position {INT} NOT NULL PRIMARY KEY,
    did {TEXT} NOT NULL,
    number {INT} NOT NULL,
    cid {BYTES} NOT NULL,
    operation {TEXT} NOT NULL,
    created_at {TEXT} NOT NULL,
    nullified_at {TEXT},
    UNIQUE (did, number),
    UNIQUE (did, cid)
) {STRICT};
CREATE INDEX plc_operations_by_created_at ON plc_operations (created_at);

-- Undertakings that reach beyond one transaction and have not ended.
CREATE TABLE intents (
    did {TEXT} NOT NULL,
    kind {TEXT} NOT NULL,
    step {TEXT} NOT NULL,
    body {TEXT} NOT NULL,
    created_at {TEXT} NOT NULL,
    PRIMARY KEY (did, kind)
) {STRICT};
