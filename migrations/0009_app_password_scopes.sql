-- App passwords that may do less, and ones that end by themselves. The scope is
-- a list in the grammar of OAuth, with what permission sets held at the time.
ALTER TABLE app_passwords ADD COLUMN scope {TEXT};
ALTER TABLE app_passwords ADD COLUMN expires_at {TEXT};
