//! `deny.toml`, enforced also where cargo-deny is not installed: bans, licences, sources.

use crate::graph::Graph;
use std::collections::BTreeSet;
use std::process::Command;

fn list(value: &toml::Value, key: &str) -> Vec<String> {
    let entries = value.get(key).and_then(toml::Value::as_array);
    entries
        .unwrap_or_else(|| panic!("deny.toml has no list {key}"))
        .iter()
        .map(|entry| {
            let text = entry
                .as_str()
                .or_else(|| entry.get("crate").and_then(toml::Value::as_str));
            text.unwrap_or_else(|| panic!("an entry of {key} is neither text nor a crate"))
                .to_owned()
        })
        .collect()
}

fn rules() -> toml::Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deny.toml");
    let text = std::fs::read_to_string(path).expect("deny.toml");
    toml::Value::Table(text.parse().expect("deny.toml is TOML"))
}

/// `cargo metadata` over-states optional dependencies behind weak features; `cargo tree` prints what is built.
fn built() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--locked",
            "--edges",
            "normal",
            "--prefix",
            "none",
        ])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .expect("cargo tree");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("names are UTF-8");
    text.lines()
        .filter_map(|line| line.split(' ').next())
        .map(String::from)
        .collect()
}

#[test]
fn banned_crates_are_not_built() {
    let built = built();
    assert!(
        built.contains("aws-lc-rs"),
        "the one provider of cryptography is gone"
    );
    let banned = list(&rules()["bans"], "deny");
    assert!(
        banned.iter().any(|name| name == "openssl"),
        "the ban on openssl is gone"
    );
    let linked: Vec<_> = banned.iter().filter(|name| built.contains(*name)).collect();
    assert!(linked.is_empty(), "banned crates are built: {linked:?}");
}

#[test]
fn every_crate_comes_from_the_registry_or_this_repository() {
    let graph = Graph::load();
    let sources = list(&rules()["sources"], "allow-registry");
    let foreign: Vec<_> = graph
        .metadata
        .packages
        .iter()
        .filter_map(|package| Some((package, package.source.as_ref()?)))
        .filter(|(_, source)| {
            !sources
                .iter()
                .any(|known| source.repr == format!("registry+{known}"))
        })
        .map(|(package, source)| format!("{} from {source}", package.name))
        .collect();
    assert!(foreign.is_empty(), "crates from elsewhere: {foreign:?}");
}

/// An SPDX expression is fine if one side of each `OR` is; `WITH` and `AND` must be allowed as a whole.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    let expression = expression.trim();
    if let Some(inner) = expression
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        && !inner.contains(['(', ')'])
    {
        return is_allowed(inner, allowed);
    }
    split(expression, " AND ").iter().all(|part| {
        let part = part.trim();
        let sides = split(part, " OR ");
        if sides.len() > 1 || part.starts_with('(') {
            let inner = if sides.len() == 1 {
                vec![&part[1..part.len() - 1]]
            } else {
                sides
            };
            return inner.iter().any(|side| is_allowed(side, allowed));
        }
        allowed.contains(part)
    })
}

/// Splits at a word that stands outside brackets.
fn split<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && at >= start && text[at..].starts_with(word) => {
                parts.push(&text[start..at]);
                start = at + word.len();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[test]
fn every_licence_is_on_the_list() {
    let allowed: BTreeSet<_> = list(&rules()["licenses"], "allow").into_iter().collect();
    let graph = Graph::load();
    let wrong: Vec<_> = graph
        .metadata
        .packages
        .iter()
        .filter(|package| package.source.is_some())
        .filter_map(|package| match &package.license {
            Some(licence) if is_allowed(licence, &allowed) => None,
            licence => Some(format!("{}: {licence:?}", package.name)),
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "licences that deny.toml does not allow:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]
        .map(String::from)
        .into();
    for good in [
        "MIT",
        "MIT/GPL-3.0",
        "GPL-2.0 OR MIT",
        "(MIT OR GPL-3.0) AND Apache-2.0",
        "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
    ] {
        assert!(is_allowed(good, &allowed), "{good}");
    }
    for bad in [
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(GPL-3.0 OR AGPL-3.0) AND MIT",
        "",
    ] {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
}
