//! As much of JSON Schema (draft 7) as the schema of CycloneDX uses. A keyword that is not known here fails the test instead of passing.

use regex::Regex;
use serde_json::Value;
use std::collections::HashSet;

/// Words that say nothing of what is valid.
const NOTES: [&str; 10] = [
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "examples",
    "default",
    "deprecated",
    "meta:enum",
    "definitions",
];

/// What is wrong with a value, each with its place. References to other documents must have been replaced.
pub(crate) fn errors(root: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(root, root, value, "", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let Some(schema) = schema.as_object() else {
        if *schema == Value::Bool(false) {
            found.push(format!("{at}: nothing is allowed here"));
        }
        return;
    };
    if let Some(reference) = schema.get("$ref") {
        let reference = reference.as_str().unwrap();
        let target = reference.strip_prefix('#').expect("a reference inside");
        let target = root
            .pointer(target)
            .expect("a reference that leads somewhere");
        return check(root, target, value, at, found);
    }
    let mut wrong = |what: String| found.push(format!("{at}: {what}"));
    let length = value.as_str().map(|text| text.chars().count());
    for (keyword, rule) in schema {
        let number = rule
            .as_u64()
            .and_then(|number| usize::try_from(number).ok());
        let is_fine = match keyword.as_str() {
            "type" => is_type(rule.as_str().unwrap(), value),
            "enum" => rule.as_array().unwrap().contains(value),
            "pattern" => value
                .as_str()
                .is_none_or(|text| Regex::new(rule.as_str().unwrap()).unwrap().is_match(text)),
            "minLength" => length.is_none_or(|length| length >= number.unwrap()),
            "maxLength" => length.is_none_or(|length| length <= number.unwrap()),
            "minimum" => value
                .as_f64()
                .is_none_or(|value| value >= rule.as_f64().unwrap()),
            "maximum" => value
                .as_f64()
                .is_none_or(|value| value <= rule.as_f64().unwrap()),
            "minItems" => value
                .as_array()
                .is_none_or(|all| all.len() >= number.unwrap()),
            "maxItems" => value
                .as_array()
                .is_none_or(|all| all.len() <= number.unwrap()),
            "uniqueItems" => value.as_array().is_none_or(|all| {
                let distinct: HashSet<String> = all.iter().map(Value::to_string).collect();
                distinct.len() == all.len()
            }),
            "format" => {
                rule != "date-time"
                    || value
                        .as_str()
                        .is_none_or(|text| chrono::DateTime::parse_from_rfc3339(text).is_ok())
            }
            "required" => value.as_object().is_none_or(|map| {
                rule.as_array()
                    .unwrap()
                    .iter()
                    .all(|key| map.contains_key(key.as_str().unwrap()))
            }),
            "oneOf" => alternatives(root, rule, value) == 1,
            "anyOf" => alternatives(root, rule, value) > 0,
            "properties" | "additionalProperties" | "items" | "additionalItems" => true,
            note if NOTES.contains(&note) => true,
            unknown => panic!("the keyword {unknown} is not known here"),
        };
        if !is_fine {
            let shown: String = value.to_string().chars().take(200).collect();
            wrong(format!("{keyword} {rule} does not hold of {shown}"));
        }
    }
    if let Some(map) = value.as_object() {
        let known = schema.get("properties").and_then(Value::as_object);
        for (key, value) in map {
            let at = format!("{at}/{key}");
            match known.and_then(|known| known.get(key)) {
                Some(schema) => check(root, schema, value, &at, found),
                None => {
                    let others = schema
                        .get("additionalProperties")
                        .unwrap_or(&Value::Bool(true));
                    check(root, others, value, &at, found);
                }
            }
        }
    }
    if let (Some(list), Some(items)) = (value.as_array(), schema.get("items")) {
        for (number, value) in list.iter().enumerate() {
            // With a list of schemas every item has its own; the schema of CycloneDX has it only where nothing is written.
            assert!(
                !items.is_array(),
                "items with a schema each are not known here"
            );
            check(root, items, value, &format!("{at}/{number}"), found);
        }
    }
}

fn alternatives(root: &Value, rule: &Value, value: &Value) -> usize {
    let fits = |schema: &&Value| {
        let mut found = Vec::new();
        check(root, schema, value, "", &mut found);
        found.is_empty()
    };
    rule.as_array().unwrap().iter().filter(fits).count()
}

fn is_type(word: &str, value: &Value) -> bool {
    match word {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("the type {other} is not known here"),
    }
}

#[test]
fn what_does_not_fit_is_found_with_its_place() {
    let schema = serde_json::json!({"type": "object", "required": ["a"], "additionalProperties": false, "definitions": {"word": {"enum": ["x", "y"]}},
        "properties": {"a": {"$ref": "#/definitions/word"}, "b": {"type": "array", "uniqueItems": true, "items": {"oneOf": [{"type": "string"}, {"type": "number", "maximum": 2}]}}}});
    let of = |value: Value| errors(&schema, &value);
    assert!(of(serde_json::json!({"a": "x", "b": ["1", 2]})).is_empty());
    for (value, place) in [
        (serde_json::json!({}), ": required"),
        (serde_json::json!({"a": "z"}), "/a: enum"),
        (serde_json::json!({"a": "x", "c": 1}), "/c: nothing"),
        (
            serde_json::json!({"a": "x", "b": [1, 1]}),
            "/b: uniqueItems",
        ),
        (serde_json::json!({"a": "x", "b": [3]}), "/b/0: oneOf"),
    ] {
        let found = of(value);
        assert!(found.len() == 1 && found[0].starts_with(place), "{found:?}");
    }
}
