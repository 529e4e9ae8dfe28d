//! The files of the project, read once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::lexer::{self, Line};

/// A Rust file.
pub struct Source {
    /// From the project's root, with `/`.
    pub path: String,
    /// Its lines in parts.
    pub lines: Vec<Line>,
    /// Line indexes of the modules in it that are compiled for tests only.
    tests: Vec<std::ops::Range<usize>>,
    /// Whether all of it is compiled for tests only.
    is_test: bool,
}

impl Source {
    /// Returns the room of a file in `src/`: the first part of its path.
    pub fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        inside.split(['/', '.']).next()
    }

    /// Says whether the line at `index` is compiled for tests only.
    pub fn in_tests(&self, index: usize) -> bool {
        self.is_test || self.tests.iter().any(|range| range.contains(&index))
    }

    /// Returns the lines that are part of the binary, by index.
    pub fn production(&self) -> impl Iterator<Item = (usize, &Line)> {
        let lines = self.lines.iter().enumerate();
        lines.filter(|(index, _)| !self.in_tests(*index))
    }

    /// Writes a breach of a rule on the line at `index`.
    pub fn breach(&self, index: usize, rule: impl std::fmt::Display) -> String {
        format!("{}:{}: {rule}", self.path, index + 1)
    }

    /// Returns the index of the line on which the braces that open at or after
    /// `index` are closed; `None` where a `;` comes before any.
    pub fn end_of_block(&self, index: usize) -> Option<usize> {
        let mut depth = 0;
        for (at, line) in self.lines.iter().enumerate().skip(index) {
            for one in line.code.chars() {
                match one {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ';' if depth == 0 => return None,
                    _ => continue,
                }
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        None
    }
}

/// Returns every Rust file of `src/` and `tests/`.
pub fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let mut paths = Vec::new();
        for folder in ["src", "tests"] {
            collect(&root().join(folder), &mut paths);
        }
        paths.sort();
        let mut sources: Vec<Source> = paths.iter().map(|path| read(path)).collect();
        mark_test_files(&mut sources);
        sources
    })
}

/// Returns the Rust files of `src/`.
pub fn house() -> impl Iterator<Item = &'static Source> {
    sources().iter().filter(|source| source.room().is_some())
}

/// Returns the text of a file of the project.
pub fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the project's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let is_foreign = path.ends_with("node_modules");
        if path.is_dir() && !is_foreign {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

fn read(path: &Path) -> Source {
    let inside = path.strip_prefix(root()).expect("it was found there");
    let mut source = Source {
        path: inside.to_str().expect("ASCII").replace('\\', "/"),
        lines: lexer::lines(&fs::read_to_string(path).expect("UTF-8")),
        tests: Vec::new(),
        is_test: inside.starts_with("tests"),
    };
    for index in 0..source.lines.len() {
        if source.lines[index].code.trim() == "#[cfg(test)]"
            && let Some(end) = source.end_of_block(index)
        {
            source.tests.push(index..end + 1);
        }
    }
    source
}

/// Marks the files of modules that are declared under `#[cfg(test)]`.
fn mark_test_files(sources: &mut [Source]) {
    let mut folders = Vec::new();
    for source in &*sources {
        let home = source.path.trim_end_matches("mod.rs").trim_end_matches("lib.rs");
        let home = home.trim_end_matches(".rs").trim_end_matches('/');
        for pair in source.lines.windows(2) {
            let name = pair[1].code.trim().trim_end_matches(';');
            let name = name.rsplit_once("mod ").map_or("", |(_, name)| name);
            if pair[0].code.trim() == "#[cfg(test)]" && !name.contains('{') && !name.is_empty() {
                folders.push(format!("{home}/{name}"));
            }
        }
    }
    for source in sources {
        source.is_test |= folders.iter().any(|folder| {
            let rest = source.path.strip_prefix(folder.as_str());
            rest.is_some_and(|rest| rest.starts_with(['/', '.']))
        });
    }
}
