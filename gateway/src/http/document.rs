//! What is checked of a document before the schema sees it.

use async_graphql::parser::types::{
    ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Variables};
use netpatch_types::{ErrorCode, ServiceError};
use std::collections::{HashMap, HashSet};

/// Bytes of a request.
pub(crate) const BYTES: usize = 64 * 1024;
/// Fields at the root, counted through fragments: 200 aliases of one list are 200 lists.
const ROOT_FIELDS: usize = 30;
/// Selections when fragments are written out: fragments of fragments double with each level.
const SELECTIONS: usize = 10_000;
/// Directives in the whole document.
const DIRECTIVES: usize = 20;
/// Open brackets; deeper text would only exhaust the parser's stack.
const NESTING: usize = 100;

/// Why a document is refused before execution.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

fn refusal(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal {
        code,
        message: message.into(),
    }
}

/// Refuses text that is nested too deep to be parsed safely.
pub(crate) fn check_nesting(text: &str) -> Result<(), Refusal> {
    let (mut depth, mut is_quoted, mut is_escaped, mut is_comment) = (0usize, false, false, false);
    for byte in text.bytes() {
        match byte {
            b'\n' | b'\r' => (is_comment, is_escaped) = (false, false),
            _ if is_comment => {}
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            b'#' => is_comment = true,
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > NESTING {
            return Err(refusal(
                "COST_EXCEEDED",
                format!("the document is nested deeper than {NESTING} brackets"),
            ));
        }
    }
    Ok(())
}

/// The operation that is to be executed.
pub(crate) fn operation<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<&'a OperationDefinition, Refusal> {
    let mut operations = document.operations.iter();
    let found = match name.filter(|name| !name.is_empty()) {
        Some(name) => {
            operations.find(|(found, _)| found.is_some_and(|found| found.as_str() == name))
        }
        None => match (operations.next(), operations.next()) {
            (only, None) => only,
            _ => {
                return Err(refusal(
                    "GRAPHQL_VALIDATION_FAILED",
                    "the document has several operations; name one with operationName",
                ));
            }
        },
    };
    match found {
        Some((_, operation)) => Ok(&operation.node),
        None => Err(refusal(
            "GRAPHQL_VALIDATION_FAILED",
            "the document has no operation of this name",
        )),
    }
}

/// Whether the operation changes something.
pub(crate) fn is_mutation(operation: &OperationDefinition) -> bool {
    operation.ty == OperationType::Mutation
}

/// Refuses too many root fields and directives.
pub(crate) fn check_size(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
) -> Result<(), Refusal> {
    let mut sizes = HashMap::new();
    let size = inlined(document, &operation.selection_set.node, &mut sizes)?;
    if size > SELECTIONS {
        return Err(refusal(
            "COST_EXCEEDED",
            format!(
                "the operation has more than {SELECTIONS} selections when its fragments are written out"
            ),
        ));
    }
    let fields = root_fields(document, &operation.selection_set.node);
    if fields > ROOT_FIELDS {
        return Err(refusal(
            "COST_EXCEEDED",
            format!("the operation has more than {ROOT_FIELDS} root fields"),
        ));
    }
    let mut directives = 0;
    for (_, operation) in document.operations.iter() {
        directives +=
            operation.node.directives.len() + count_directives(&operation.node.selection_set.node);
    }
    for fragment in document.fragments.values() {
        directives +=
            fragment.node.directives.len() + count_directives(&fragment.node.selection_set.node);
    }
    if directives > DIRECTIVES {
        return Err(refusal(
            "COST_EXCEEDED",
            format!("the document has more than {DIRECTIVES} directives"),
        ));
    }
    Ok(())
}

/// Selections with fragments written out. Each fragment is counted once, so the count itself stays cheap; a fragment that contains
/// itself is refused.
fn inlined<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    sizes: &mut HashMap<&'a str, Option<usize>>,
) -> Result<usize, Refusal> {
    let mut size = 0usize;
    for selection in &set.items {
        let inner = match &selection.node {
            Selection::Field(field) => inlined(document, &field.node.selection_set.node, sizes)?,
            Selection::InlineFragment(fragment) => {
                inlined(document, &fragment.node.selection_set.node, sizes)?
            }
            Selection::FragmentSpread(spread) => {
                fragment_size(document, &spread.node.fragment_name.node, sizes)?
            }
        };
        size = size.saturating_add(inner).saturating_add(1);
    }
    Ok(size)
}

fn fragment_size<'a>(
    document: &'a ExecutableDocument,
    name: &Name,
    sizes: &mut HashMap<&'a str, Option<usize>>,
) -> Result<usize, Refusal> {
    // An unknown fragment is validation's business.
    let Some((name, fragment)) = document.fragments.get_key_value(name) else {
        return Ok(0);
    };
    match sizes.get(name.as_str()) {
        Some(Some(size)) => return Ok(*size),
        Some(None) => {
            return Err(refusal(
                "GRAPHQL_VALIDATION_FAILED",
                format!("the fragment {name} contains itself"),
            ));
        }
        None => {}
    }
    sizes.insert(name.as_str(), None);
    let size = inlined(document, &fragment.node.selection_set.node, sizes)?;
    sizes.insert(name.as_str(), Some(size));
    Ok(size)
}

fn root_fields(document: &ExecutableDocument, set: &SelectionSet) -> usize {
    let fields = set.items.iter().map(|selection| match &selection.node {
        Selection::Field(_) => 1,
        Selection::InlineFragment(fragment) => {
            root_fields(document, &fragment.node.selection_set.node)
        }
        Selection::FragmentSpread(spread) => {
            let fragment = document.fragments.get(&spread.node.fragment_name.node);
            fragment.map_or(0, |fragment| {
                root_fields(document, &fragment.node.selection_set.node)
            })
        }
    });
    fields.sum()
}

fn count_directives(set: &SelectionSet) -> usize {
    set.items
        .iter()
        .map(|selection| match &selection.node {
            Selection::Field(field) => {
                field.node.directives.len() + count_directives(&field.node.selection_set.node)
            }
            Selection::FragmentSpread(spread) => spread.node.directives.len(),
            Selection::InlineFragment(fragment) => {
                fragment.node.directives.len() + count_directives(&fragment.node.selection_set.node)
            }
        })
        .sum()
}

/// Refuses variables that are missing or null where the operation wants a value.
pub(crate) fn check_variables(
    operation: &OperationDefinition,
    variables: &Variables,
) -> Result<(), Refusal> {
    for definition in &operation.variable_definitions {
        let (name, definition): (&Positioned<Name>, _) = (&definition.node.name, &definition.node);
        let given = variables.get(&name.node);
        let is_null = given.is_some_and(|value| matches!(value, async_graphql::Value::Null));
        let is_missing = given.is_none() && definition.default_value.is_none();
        if !definition.var_type.node.nullable && (is_null || is_missing) {
            return Err(refusal(
                "BAD_USER_INPUT",
                format!("the variable ${} must not be null", name.node),
            ));
        }
    }
    Ok(())
}

/// The text of a document that is asked for by hash. Nothing is registered by asking.
pub(crate) fn persisted<'a>(
    extensions: &serde_json::Value,
    known: &'a HashMap<String, String>,
) -> Result<Option<&'a str>, ServiceError> {
    let Some(persisted) = extensions.get("persistedQuery") else {
        return Ok(None);
    };
    let hash = persisted
        .get("sha256Hash")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    known
        .get(hash)
        .map(|text| Some(text.as_str()))
        .ok_or_else(|| {
            ServiceError::new(
                ErrorCode::NotFound,
                "this document is not known by its hash; send its text",
            )
        })
}

/// A field named `__schema`, through fragments. `__type` alone is not refused: it is null where introspection is off.
pub(crate) fn asks_introspection(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
) -> bool {
    let mut seen = HashSet::new();
    introspects(document, &operation.selection_set.node, &mut seen)
}

fn introspects<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    seen: &mut HashSet<&'a str>,
) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => field.node.name.node == "__schema",
        Selection::InlineFragment(fragment) => {
            introspects(document, &fragment.node.selection_set.node, seen)
        }
        Selection::FragmentSpread(spread) => {
            let name = &spread.node.fragment_name.node;
            seen.insert(name.as_str())
                && document.fragments.get(name).is_some_and(|fragment| {
                    introspects(document, &fragment.node.selection_set.node, seen)
                })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), Refusal> {
        check_nesting(text)?;
        let document = async_graphql::parser::parse_query(text).unwrap();
        check_size(&document, operation(&document, None)?)
    }

    #[test]
    fn two_hundred_aliases_are_refused_however_they_are_wrapped() {
        let aliases: String = (0..200)
            .map(|n| format!("a{n}: hosts(first: 100) {{ nodes {{ id }} }} "))
            .collect();
        for text in [
            format!("{{ {aliases} }}"),
            format!("{{ ... {{ {aliases} }} }}"),
            format!("query {{ ...f }} fragment f on Query {{ {aliases} }}"),
        ] {
            assert_eq!(check(&text).unwrap_err().code, "COST_EXCEEDED");
        }
        assert_eq!(
            check("{ a: viewer { actor { name } } b: rateLimit { maximum } }"),
            Ok(())
        );
    }

    #[test]
    fn fragments_that_call_each_other_end() {
        assert!(
            check("{ ...a } fragment a on Query { ...b ...b } fragment b on Query { ...a ...a }")
                .is_err()
        );
        // Each level doubles: 2^60 selections in a few kilobytes.
        let levels: String = (0..60)
            .map(|n| format!("fragment f{n} on Query {{ ...f{} ...f{} }} ", n + 1, n + 1))
            .collect();
        let bomb = format!("{{ ...f0 }} {levels} fragment f60 on Query {{ __typename }}");
        assert_eq!(check(&bomb).unwrap_err().code, "COST_EXCEEDED");
    }

    #[test]
    fn many_directives_and_brackets_are_refused() {
        let fields: String = (0..21).map(|n| format!("f{n} @skip(if: true) ")).collect();
        assert!(check(&format!("{{ a {{ {fields} }} }}")).is_err());
        let deep = format!("{}{}", "{a".repeat(30_000), "}".repeat(30_000));
        assert_eq!(check_nesting(&deep).unwrap_err().code, "COST_EXCEEDED");
        assert_eq!(
            check_nesting(&format!("{{ a(b: \"{}\") }}", "[".repeat(500))),
            Ok(())
        );
    }

    #[test]
    fn a_null_where_a_value_is_wanted_is_refused() {
        let document = async_graphql::parser::parse_query(
            "query($id: ID!, $n: Int = 3, $m: Int) { node(id: $id) { id } }",
        )
        .unwrap();
        let operation = operation(&document, None).unwrap();
        let variables = |json| Variables::from_json(json);
        assert!(check_variables(operation, &variables(serde_json::json!({"id": null}))).is_err());
        assert!(check_variables(operation, &variables(serde_json::json!({}))).is_err());
        assert!(
            check_variables(
                operation,
                &variables(serde_json::json!({"id": "x", "m": null}))
            )
            .is_ok()
        );
    }
}
