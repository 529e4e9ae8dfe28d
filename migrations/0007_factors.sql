-- What somebody shows beside the password.

-- Accounts to which a code is mailed at each sign-in.
CREATE TABLE email_factors (
    account_id {INT} NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    since {TEXT} NOT NULL
) {STRICT};

-- The secret of an authenticator app, sealed. Without confirmed_at it has been
-- shown and not tried yet. last_step is the last interval whose code was used.
CREATE TABLE totp_secrets (
    account_id {INT} NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    sealed {BYTES} NOT NULL,
    confirmed_at {TEXT},
    last_step {INT} NOT NULL,
    created_at {TEXT} NOT NULL
) {STRICT};

-- Codes for when everything else is lost; each is good once.
CREATE TABLE recovery_codes (
    account_id {INT} NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    digest {BYTES} NOT NULL,
    created_at {TEXT} NOT NULL,
    PRIMARY KEY (account_id, digest)
) {CLUSTERED};

-- Browsers in which the second factor is not asked for until then.
CREATE TABLE trusted_devices (
    device_id {TEXT} NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    account_id {INT} NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    trusted_until {TEXT} NOT NULL,
    PRIMARY KEY (device_id, account_id)
) {CLUSTERED};
CREATE INDEX trusted_devices_by_account ON trusted_devices (account_id);

-- Somebody has shown the password in a browser, and a second factor is missing.
CREATE TABLE begun_sign_ins (
    device_id {TEXT} NOT NULL PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    account_id {INT} NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    kept_at {TEXT},
    expires_at {TEXT} NOT NULL
) {STRICT};
CREATE INDEX begun_sign_ins_by_account ON begun_sign_ins (account_id);
