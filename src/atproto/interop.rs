//! The protocol's public test vectors, where a checkout of them stands beside.
//!
//! `FREEHOLD_INTEROP_DIR` names a checkout of
//! <https://github.com/bluesky-social/atproto-interop-tests>. Without it the
//! tests have the tables in `tests/vectors`, which say the same.

/// Returns the text of the file at `path` within the checkout; `None` without
/// one. With one, every file must be there.
pub(crate) fn read(path: &str) -> Option<String> {
    let root = std::env::var_os("FREEHOLD_INTEROP_DIR")?;
    let path = std::path::Path::new(&root).join(path);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// Calls `check` with each line of the file at `path` that is neither empty nor
/// a comment.
pub(crate) fn lines(path: &str, check: impl Fn(&str)) {
    let text = read(path).unwrap_or_default();
    let lines = text.split('\n');
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.for_each(check);
}
