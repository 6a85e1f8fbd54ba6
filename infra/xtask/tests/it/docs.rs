//! Documentation that names files names files that exist.

use std::fs;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Texts in backquotes that look like paths of this repository.
fn paths(text: &str) -> Vec<&str> {
    let mut inside_block = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside_block = !inside_block;
        } else if !inside_block {
            let quoted = line.split('`').skip(1).step_by(2);
            found.extend(quoted.filter(|word| {
                let folder = word.split('/').next().unwrap_or_default();
                word.contains('/')
                    && [
                        "services", "gateway", "relay", "agent", "web", "infra", ".ci",
                    ]
                    .contains(&folder)
            }));
        }
    }
    found
}

#[test]
fn every_file_that_the_documentation_names_exists() {
    let mut missing = Vec::new();
    for document in [
        "README.md",
        "infra/docs/architecture.md",
        "infra/docs/next.md",
    ] {
        let text = fs::read_to_string(Path::new(ROOT).join(document)).expect(document);
        let named = paths(&text);
        for path in named {
            if !Path::new(ROOT).join(path).exists() {
                missing.push(format!("{document} names {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn paths_are_told_from_other_quoted_words() {
    let text = "`agent/src` `api/` `cargo xtask` `relay/a.rs`\n```\n`infra/x`\n```\n";
    assert_eq!(paths(text), ["agent/src", "relay/a.rs"]);
}
