//! `infra/docs/faults.md` names tests that exist.

use std::path::Path;

/// Whether a file, or one below a folder, has the function.
fn has(path: &Path, function: &str) -> bool {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).unwrap();
        return entries.flatten().any(|entry| has(&entry.path(), function));
    }
    std::fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("fn {function}(")))
}

#[test]
fn every_named_test_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table = std::fs::read_to_string(root.join("infra/docs/faults.md")).unwrap();
    let named: Vec<_> = table
        .split('`')
        .filter_map(|word| word.split_once("::"))
        .collect();
    assert!(named.len() > 60, "{}", named.len());
    let gone: Vec<_> = named
        .iter()
        .filter(|(path, function)| !has(&root.join(path), function))
        .collect();
    assert!(
        gone.is_empty(),
        "the table names what is not there: {gone:?}"
    );
}
