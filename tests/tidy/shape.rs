//! Shape: sizes, openings and signatures.

use super::judge;
use super::source::{Source, sources};

/// Lines of production code in one file, above which it becomes a folder.
const FILE_LINES_MAX: usize = 400;
/// Lines of one function, its signature included.
const FUNCTION_LINES_MAX: usize = 70;
/// The same of a test, which may hold a table.
const TEST_LINES_MAX: usize = 100;

#[test]
fn every_file_opens_with_what_it_is_for() {
    let silent = sources().iter().filter(|source| {
        let first = source.lines.first();
        !first.is_some_and(|line| line.comment.starts_with("//! "))
    });
    let rule = "the first line is `//!` and says what the file is for";
    judge(silent.map(|source| source.breach(0, rule)).collect());
}

#[test]
fn files_are_short() {
    let mut breaches = Vec::new();
    for source in sources() {
        let lines = source.production().count();
        if lines > FILE_LINES_MAX {
            let rule = format!("{lines} lines of production code, {FILE_LINES_MAX} allowed");
            breaches.push(source.breach(0, rule));
        }
    }
    judge(breaches);
}

#[test]
fn functions_fit_a_screen() {
    let mut breaches = Vec::new();
    for source in sources() {
        for index in functions(source) {
            let end = source.end_of_block(index).unwrap_or(index);
            let lines = end + 1 - index;
            let allowed = match source.in_tests(index) {
                true => TEST_LINES_MAX,
                false => FUNCTION_LINES_MAX,
            };
            if lines > allowed {
                let rule = format!("a function of {lines} lines, {allowed} allowed");
                breaches.push(source.breach(index, rule));
            }
        }
    }
    judge(breaches);
}

#[test]
fn no_parameter_is_a_boolean() {
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| source.room().is_some()) {
        for index in functions(source) {
            let is_data = |name: &str| name.ends_with("value");
            let signature = signature(source, index);
            let parameters = signature.match_indices(": bool");
            let mut names =
                parameters.filter_map(|(at, _)| signature[..at].split([' ', '(']).next_back());
            if let Some(name) = names.find(|name| !is_data(name)) {
                let rule = format!("{name}: bool says nothing where it is called; take an enum");
                breaches.push(source.breach(index, rule));
            }
        }
    }
    judge(breaches);
}

/// Returns the indexes of the lines on which functions begin.
fn functions(source: &Source) -> impl Iterator<Item = usize> {
    let lines = source.lines.iter().enumerate();
    lines.filter_map(|(index, line)| {
        let (before, name) = line.code.split_once("fn ")?;
        let is_word = before.is_empty() || before.ends_with([' ', '(']);
        let is_named = name.starts_with(|first: char| first.is_alphabetic() || first == '_');
        (is_word && is_named && !before.contains("->")).then_some(index)
    })
}

/// Returns the parameters of the function that begins at `index`.
fn signature(source: &Source, index: usize) -> String {
    let code: Vec<&str> = source.lines[index..].iter().map(|line| &*line.code).take(40).collect();
    let code = code.join(" ");
    let end = code.find([';', '{']).unwrap_or(code.len());
    let end = code[..end].find("->").unwrap_or(end);
    code[..end].to_owned()
}
