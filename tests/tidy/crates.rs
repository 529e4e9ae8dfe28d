//! Crates: each has a line that says why it is here.

use super::judge;
use super::source::text;

#[test]
fn every_dependency_says_why_it_is_here() {
    let manifest = text("Cargo.toml");
    let lines: Vec<&str> = manifest.lines().collect();
    let mut in_dependencies = false;
    let mut breaches = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if line.starts_with('[') {
            in_dependencies = line.contains("dependencies]");
        }
        let is_crate = in_dependencies && line.starts_with(|first: char| first.is_alphanumeric());
        if is_crate && !lines[index - 1].starts_with("# ") {
            let name = line.split(' ').next().unwrap_or(line);
            let rule = "the line above a dependency says why it is here";
            breaches.push(format!("Cargo.toml:{}: {name}: {rule}", index + 1));
        }
    }
    judge(breaches);
}
