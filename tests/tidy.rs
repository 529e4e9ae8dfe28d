//! The court: what `src/ARCHITECTURE.md` promises about the code, checked.
//!
//! Reads the sources as text and compiles nothing, so it stays fast. Each test
//! is one rule; a failure lists every breach as `file:line: rule`. To change a
//! rule, change it here in a commit of its own that says why.

mod tidy {
    mod crates;
    mod floors;
    mod lexer;
    mod logs;
    mod methods;
    mod rooms;
    mod shape;
    mod source;
    mod words;

    /// Fails with every breach of a rule.
    fn judge(breaches: Vec<String>) {
        let count = breaches.len();
        assert!(count == 0, "{count} breaches\n{}\n", breaches.join("\n"));
    }
}
