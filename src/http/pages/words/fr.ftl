# Not translated yet: every message falls back to English.
