//! The schema itself: drift, descriptions, and a price on every list.

use async_graphql::parser::types::{
    BaseType, ServiceDocument, Type, TypeDefinition, TypeKind, TypeSystemDefinition,
};
use std::collections::BTreeMap;
use std::path::Path;

fn document() -> ServiceDocument {
    async_graphql::parser::parse_schema(netpatch_gateway::sdl()).unwrap()
}

fn types(document: &ServiceDocument) -> BTreeMap<String, &TypeDefinition> {
    let definitions = document
        .definitions
        .iter()
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(definition) => {
                Some((definition.node.name.node.to_string(), &definition.node))
            }
            _ => None,
        });
    definitions.collect()
}

fn named(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}

#[test]
fn the_checked_in_schema_is_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
    let now = netpatch_gateway::sdl();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == now,
        "gateway/schema.graphql differs from the code; run the tests of netpatch-gateway with UPDATE_SCHEMA=1 and look at the difference"
    );
}

#[test]
fn everything_has_a_description() {
    let document = document();
    let mut bare = Vec::new();
    for (name, definition) in types(&document) {
        if definition.description.is_none() {
            bare.push(name.clone());
        }
        match &definition.kind {
            TypeKind::Object(object) => {
                for field in &object.fields {
                    if field.node.description.is_none() {
                        bare.push(format!("{name}.{}", field.node.name.node));
                    }
                }
            }
            TypeKind::Interface(interface) => {
                for field in &interface.fields {
                    if field.node.description.is_none() {
                        bare.push(format!("{name}.{}", field.node.name.node));
                    }
                }
            }
            TypeKind::InputObject(input) => {
                for field in &input.fields {
                    if field.node.description.is_none() {
                        bare.push(format!("{name}.{}", field.node.name.node));
                    }
                }
            }
            TypeKind::Enum(words) => {
                for word in &words.values {
                    if word.node.description.is_none() {
                        bare.push(format!("{name}.{}", word.node.value.node));
                    }
                }
            }
            _ => {}
        }
    }
    assert!(bare.is_empty(), "without description: {bare:?}");
}

#[test]
fn every_mutation_takes_one_input_with_a_key_and_answers_with_user_errors() {
    let document = document();
    let types = types(&document);
    let TypeKind::Object(mutation) = &types["Mutation"].kind else {
        panic!("no mutations")
    };
    assert!(mutation.fields.len() >= 30);
    for field in &mutation.fields {
        let [input] = field.node.arguments.as_slice() else {
            panic!("{} has not one argument", field.node.name.node)
        };
        let TypeKind::InputObject(input) = &types[named(&input.node.ty.node)].kind else {
            panic!("no input object")
        };
        let key = input
            .fields
            .iter()
            .find(|field| field.node.name.node == "idempotencyKey");
        assert_eq!(
            key.map(|key| key.node.ty.node.to_string()).as_deref(),
            Some("ID!"),
            "{}",
            field.node.name.node
        );
        let TypeKind::Object(payload) = &types[named(&field.node.ty.node)].kind else {
            panic!("no payload")
        };
        let errors = payload
            .fields
            .iter()
            .find(|field| field.node.name.node == "userErrors");
        assert_eq!(
            errors
                .map(|errors| errors.node.ty.node.to_string())
                .as_deref(),
            Some("[UserError!]!"),
            "{}",
            field.node.name.node
        );
    }
}

/// Owner, field and further required arguments of every field that answers with a connection.
pub(crate) fn connection_fields() -> Vec<(String, String, String)> {
    let document = document();
    let mut found = Vec::new();
    for (owner, definition) in types(&document) {
        let TypeKind::Object(object) = &definition.kind else {
            continue;
        };
        for field in &object.fields {
            if !named(&field.node.ty.node).ends_with("Connection") {
                continue;
            }
            let required = field.node.arguments.iter().filter(|argument| {
                argument.node.name.node != "first" && !argument.node.ty.node.nullable
            });
            let some = |name: &str| match types(&document).get(name).map(|known| &known.kind) {
                Some(TypeKind::Enum(words)) => words.values[0].node.value.node.to_string(),
                _ => "\"x\"".to_owned(),
            };
            let extra = required
                .map(|argument| {
                    let argument = &argument.node;
                    format!(
                        ", {}: {}",
                        argument.name.node,
                        some(named(&argument.ty.node))
                    )
                })
                .collect();
            found.push((owner.clone(), field.node.name.node.to_string(), extra));
        }
    }
    found
}

/// Names of the root fields of `Query`, `Mutation` or `Subscription`.
pub(crate) fn root_fields(root: &str) -> Vec<String> {
    let document = document();
    let TypeKind::Object(object) = &types(&document)[root].kind else {
        panic!("no {root}")
    };
    object
        .fields
        .iter()
        .map(|field| field.node.name.node.to_string())
        .collect()
}
