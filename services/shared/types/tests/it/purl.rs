//! Package URLs against the specification's own tests.

use crate::vectors;
use netpatch_types::Purl;
use serde_json::Value;
use std::collections::BTreeMap;

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn parts(value: &Value) -> Purl {
    let qualifiers = value["qualifiers"].as_object();
    Purl {
        kind: text(&value["type"]).unwrap_or_default(),
        namespace: text(&value["namespace"]),
        name: text(&value["name"]).unwrap_or_default(),
        version: text(&value["version"]),
        qualifiers: qualifiers.map_or_else(BTreeMap::new, |map| {
            map.iter()
                .map(|(key, value)| (key.clone(), text(value).unwrap_or_default()))
                .collect()
        }),
        subpath: text(&value["subpath"]),
    }
}

/// What we make of a case; `Err` where it is refused.
fn outcome(case: &Value) -> Result<Value, String> {
    let input = &case["input"];
    let read = || {
        let text = input.as_str().ok_or("no text")?;
        text.parse::<Purl>().map_err(|error| error.to_string())
    };
    match case["test_type"].as_str() {
        Some("build") => Purl::build(parts(input))
            .map(|purl| Value::from(purl.to_string()))
            .map_err(|error| error.to_string()),
        Some("validate") => read().map(|purl| Value::from(purl.to_string())),
        _ => read().map(|purl| {
            let or_null = |part: Option<String>| part.map_or(Value::Null, Value::from);
            serde_json::json!({
                "type": purl.kind, "namespace": or_null(purl.namespace), "name": purl.name,
                "version": or_null(purl.version), "subpath": or_null(purl.subpath),
                "qualifiers": if purl.qualifiers.is_empty() { Value::Null } else { serde_json::json!(purl.qualifiers) },
            })
        }),
    }
}

/// Expected to be refused when it is parsed and to become lower case when it is validated: the file has both.
const CONTRADICTION: &str = "pkg:Rpm/fedora/curl@7.50.3-1.fc25?Arch=i386&Distro=fedora-25";

#[test]
fn the_specification_s_tests_hold() {
    let mut wrong = Vec::new();
    let text = vectors::read("purl", "purl-spec.jsonl");
    let cases: Vec<_> = vectors::lines(&text).collect();
    for line in &cases {
        let case: Value = serde_json::from_str(line).expect("a case");
        let expected = match case["expected_failure"].as_bool() {
            Some(true) => None,
            _ => Some(case["expected_output"].clone()),
        };
        let actual = outcome(&case);
        let is_contradiction = case["input"] == CONTRADICTION && case["test_type"] == "parse";
        if actual.clone().ok() != expected && !is_contradiction {
            wrong.push(format!(
                "{} {}: {actual:?}, expected {expected:?}",
                case["test_type"], case["input"]
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}
