//! Groups and labels.

use async_graphql::{ID, InputObject, Object, SimpleObject};
use netpatch_types::{Labels, Selector, ServiceError};
use serde::Serialize;

/// A label of a host.
#[derive(Clone, SimpleObject)]
pub struct Label {
    /// Key; a tag `x` is the key `tag:x` with an empty value.
    pub key: String,
    /// Value.
    pub value: String,
}

/// A label of a host.
#[derive(Clone, InputObject, Serialize)]
pub struct LabelInput {
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
}

/// Labels in order of their keys.
pub(crate) fn labels(labels: &Labels) -> Vec<Label> {
    labels
        .iter()
        .map(|(key, value)| Label {
            key: key.clone(),
            value: value.clone(),
        })
        .collect()
}

/// Labels from input; a key twice is wrong.
pub(crate) fn read_labels(input: Vec<LabelInput>) -> Result<Labels, ServiceError> {
    let mut labels = Labels::new();
    for label in input {
        let key = label.key.trim().to_owned();
        if key.is_empty() || key.len() > 63 || label.value.len() > 255 {
            return Err(ServiceError::invalid(
                "labels",
                "a label has a key of 1 to 63 bytes and a value of at most 255",
            ));
        }
        if labels.insert(key.clone(), label.value).is_some() {
            return Err(ServiceError::invalid(
                "labels",
                format!("the label {key:?} is given twice"),
            ));
        }
    }
    Ok(labels)
}

/// One condition of a selector: the label has (or has not) one of the values.
#[derive(Clone, SimpleObject)]
pub struct SelectorTerm {
    /// Label key.
    pub key: String,
    /// Any of these values.
    pub values: Vec<String>,
    /// Hosts that match are left out instead.
    pub is_excluded: bool,
}

/// One condition of a selector: the label has (or has not) one of the values.
#[derive(Clone, InputObject, Serialize)]
pub struct SelectorTermInput {
    /// Label key.
    pub key: String,
    /// Any of these values.
    pub values: Vec<String>,
    /// Hosts that match are left out instead.
    #[graphql(default_with = "Some(false)")]
    pub is_excluded: Option<bool>,
}

/// A selector from input.
pub(crate) fn read_selector(terms: Vec<SelectorTermInput>) -> Result<Selector, ServiceError> {
    let mut selector = Selector::default();
    if terms.len() > 50
        || terms
            .iter()
            .any(|term| term.key.is_empty() || term.values.is_empty() || term.values.len() > 200)
    {
        return Err(ServiceError::invalid(
            "selector",
            "a selector has at most 50 terms, each with a key and 1 to 200 values",
        ));
    }
    for term in terms {
        let side = if term.is_excluded.unwrap_or(false) {
            &mut selector.none_of
        } else {
            &mut selector.any_of
        };
        if side
            .insert(term.key.clone(), term.values.into_iter().collect())
            .is_some()
        {
            return Err(ServiceError::invalid(
                "selector",
                format!(
                    "the key {:?} is given twice; put its values into one term",
                    term.key
                ),
            ));
        }
    }
    Ok(selector)
}

/// A selector's terms, those that exclude last.
pub(crate) fn terms(selector: &Selector) -> Vec<SelectorTerm> {
    let term = |is_excluded: bool| {
        move |(key, values): (&String, &std::collections::BTreeSet<String>)| SelectorTerm {
            key: key.clone(),
            values: values.iter().cloned().collect(),
            is_excluded,
        }
    };
    selector
        .any_of
        .iter()
        .map(term(false))
        .chain(selector.none_of.iter().map(term(true)))
        .collect()
}

/// A named set of hosts.
#[derive(Clone)]
pub struct Group(pub netpatch_inventory_api::Group);

/// A named set of hosts.
#[Object]
impl Group {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.tenant).into()
    }

    /// Name, unique in the organization.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Which hosts: every term must hold. Empty: all hosts.
    async fn selector(&self) -> Vec<SelectorTerm> {
        terms(&self.0.selector)
    }
}
