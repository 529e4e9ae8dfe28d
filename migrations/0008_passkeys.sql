-- Keys in people's devices, with which they sign in. The credential is what the
-- library for them needs, as JSON; the id is in base64url.
CREATE TABLE passkeys (
    id {TEXT} NOT NULL PRIMARY KEY,
    account_id {INT} NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name {TEXT} NOT NULL,
    credential {TEXT} NOT NULL,
    created_at {TEXT} NOT NULL,
    used_at {TEXT}
) {STRICT};
CREATE INDEX passkeys_by_account ON passkeys (account_id);
