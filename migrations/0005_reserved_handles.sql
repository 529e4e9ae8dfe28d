-- Handles that the operator keeps from being taken.
CREATE TABLE reserved_handles (
    handle {TEXT} NOT NULL PRIMARY KEY,
    reserved_at {TEXT} NOT NULL
) {STRICT};
