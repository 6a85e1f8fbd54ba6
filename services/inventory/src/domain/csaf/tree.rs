//! The product tree of a CSAF document: which product an id names, of what it is a part, and whether the tree can be trusted.
//!
//! The checks are those of CSAF's mandatory tests (6.1.1 to 6.1.5, 6.1.13) without which an id may mean two things or none. A tree that
//! fails one is refused as a whole: a "not affected" of the wrong product would close findings.

use netpatch_types::Purl;
use serde_json::Value;
use std::collections::{HashMap, HashSet, VecDeque};

/// Most products, relationships and groups of one document. The largest real one (a kernel's) has some 60,000.
const MAX_PRODUCTS: usize = 250_000;
/// Deepest nesting of branches, and longest chain of relationships.
const MAX_DEPTH: usize = 32;
/// Most platforms that are looked at for one product.
const MAX_PLATFORMS: usize = 64;

/// Why a tree is refused; the number is that of CSAF's mandatory test.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeRefused {
    /// An id that is used but not defined.
    #[error("6.1.1: product {0:?} is not defined")]
    Undefined(String),
    /// An id that is defined twice.
    #[error("6.1.2: product {0:?} is defined twice")]
    Twice(String),
    /// A relationship that leads back to itself.
    #[error("6.1.3: product {0:?} is defined by itself")]
    Circular(String),
    /// A group that is used but not defined.
    #[error("6.1.4: group {0:?} is not defined")]
    UndefinedGroup(String),
    /// A group that is defined twice.
    #[error("6.1.5: group {0:?} is defined twice")]
    GroupTwice(String),
    /// A package URL that is none.
    #[error("6.1.13: product {product:?}: {reason}")]
    Purl {
        /// Of which product.
        product: String,
        /// Why.
        reason: String,
    },
    /// More than is read.
    #[error("the tree is deeper than {MAX_DEPTH} or has more than {MAX_PRODUCTS} products")]
    TooLarge,
}

/// A product as the tree defines it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Product {
    /// Its full name.
    pub(super) name: String,
    /// Its package URLs.
    pub(super) purls: Vec<Purl>,
    /// Its CPE name.
    pub(super) cpe: Option<String>,
    /// The name of its branch, if that is a range of versions (`vers:rpm/<1.2`).
    pub(super) range: Option<String>,
    /// The name of the product branch above.
    pub(super) above: Option<String>,
}

/// The products of a document.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    products: HashMap<String, Product>,
    /// Id of a product that is a part: the part itself and what it is in or on.
    parts: HashMap<String, (String, Vec<String>)>,
    groups: HashMap<String, Vec<String>>,
}

impl Tree {
    /// Reads and checks the tree of a document, and every reference to it.
    pub(super) fn read(document: &Value) -> Result<Self, TreeRefused> {
        let mut tree = Self::default();
        let from = &document["product_tree"];
        tree.branches(&from["branches"], None, 0)?;
        for product in list(&from["full_product_names"]) {
            tree.define(product, Product::default())?;
        }
        for one in list(&from["relationships"]) {
            let on = text(&one["relates_to_product_reference"]);
            tree.relate(one, text(&one["product_reference"]), vec![on])?;
        }
        // CSAF 2.1 says the same with paths.
        for one in list(&from["product_paths"]) {
            let on = list(&one["subpaths"]).map(|step| text(&step["next_product_reference"]));
            tree.relate(one, text(&one["beginning_product_reference"]), on.collect())?;
        }
        for group in list(&from["product_groups"]) {
            let id = text(&group["group_id"]);
            let members = list(&group["product_ids"]).map(text).collect();
            if tree.groups.insert(id.clone(), members).is_some() {
                return Err(TreeRefused::GroupTwice(id));
            }
        }
        tree.references(document)?;
        tree.circles()?;
        Ok(tree)
    }

    fn branches(
        &mut self,
        branches: &Value,
        above: Option<&str>,
        depth: usize,
    ) -> Result<(), TreeRefused> {
        if depth > MAX_DEPTH {
            return Err(TreeRefused::TooLarge);
        }
        for branch in list(branches) {
            let (category, name) = (text(&branch["category"]), text(&branch["name"]));
            let product = &branch["product"];
            if product.is_object() {
                let of_branch = Product {
                    range: (category == "product_version_range").then(|| name.clone()),
                    above: above.map(str::to_owned),
                    ..Product::default()
                };
                self.define(product, of_branch)?;
            }
            let is_product = category == "product_name";
            let above = if is_product { Some(&*name) } else { above };
            self.branches(&branch["branches"], above, depth + 1)?;
        }
        Ok(())
    }

    fn define(&mut self, from: &Value, product: Product) -> Result<(), TreeRefused> {
        let id = text(&from["product_id"]);
        let helper = &from["product_identification_helper"];
        let mut purls = Vec::new();
        for purl in std::iter::once(&helper["purl"]).chain(list(&helper["purls"])) {
            let Some(purl) = purl.as_str() else { continue };
            let read = purl.parse::<Purl>().map_err(|error| TreeRefused::Purl {
                product: id.clone(),
                reason: error.to_string(),
            })?;
            purls.push(read);
        }
        let product = Product {
            name: text(&from["name"]),
            purls,
            cpe: helper["cpe"].as_str().map(shown),
            ..product
        };
        if self.products.len() >= MAX_PRODUCTS {
            return Err(TreeRefused::TooLarge);
        }
        match self.products.insert(id.clone(), product) {
            None => Ok(()),
            Some(_) => Err(TreeRefused::Twice(id)),
        }
    }

    fn relate(&mut self, one: &Value, part: String, on: Vec<String>) -> Result<(), TreeRefused> {
        let product = &one["full_product_name"];
        self.define(product, Product::default())?;
        self.parts.insert(text(&product["product_id"]), (part, on));
        Ok(())
    }

    /// Every id and group that the document uses anywhere must be defined.
    fn references(&self, value: &Value) -> Result<(), TreeRefused> {
        // No deeper than serde_json reads, which is 128.
        let known = |id: &Value| match id.as_str() {
            Some(id) if !self.products.contains_key(id) => Err(TreeRefused::Undefined(shown(id))),
            _ => Ok(()),
        };
        match value {
            Value::Array(all) => all.iter().try_for_each(|one| self.references(one)),
            Value::Object(members) => members.iter().try_for_each(|(key, value)| {
                match key.as_str() {
                    "product_reference"
                    | "relates_to_product_reference"
                    | "beginning_product_reference"
                    | "next_product_reference" => known(value)?,
                    "product_ids" | "products" => list(value).try_for_each(known)?,
                    "product_status" => {
                        let statuses = value.as_object().into_iter().flatten();
                        statuses
                            .flat_map(|(_, ids)| list(ids))
                            .try_for_each(known)?;
                    }
                    "group_ids" => {
                        for id in list(value).map(text) {
                            if !self.groups.contains_key(&id) {
                                return Err(TreeRefused::UndefinedGroup(id));
                            }
                        }
                    }
                    _ => {}
                }
                self.references(value)
            }),
            _ => Ok(()),
        }
    }

    /// No product may be a part of itself, however long the way.
    fn circles(&self) -> Result<(), TreeRefused> {
        let mut clear: HashSet<&str> = HashSet::new();
        for start in self.parts.keys() {
            // Depth first with the way kept apart: what is clear once needs no second walk.
            let mut way: Vec<(&str, Vec<&str>)> = vec![(start, self.next(start))];
            while let Some((id, rest)) = way.last_mut() {
                let id = *id;
                let Some(next) = rest.pop() else {
                    clear.insert(id);
                    way.pop();
                    continue;
                };
                if way.iter().any(|(on, _)| *on == next) {
                    return Err(TreeRefused::Circular(shown(next)));
                }
                if !clear.contains(next) && self.parts.contains_key(next) {
                    if way.len() >= MAX_DEPTH {
                        return Err(TreeRefused::TooLarge);
                    }
                    way.push((next, self.next(next)));
                }
            }
        }
        Ok(())
    }

    fn next(&self, id: &str) -> Vec<&str> {
        self.parts.get(id).map_or(Vec::new(), |(part, on)| {
            std::iter::once(part)
                .chain(on)
                .map(String::as_str)
                .collect()
        })
    }

    /// The software that an id means, and the platforms that it is a part of, the nearest first; at most [`MAX_PLATFORMS`] of them.
    pub(super) fn resolve(&self, id: &str) -> Option<(&Product, Vec<&Product>)> {
        let (mut software, mut waiting) = (id, VecDeque::new());
        // Circles were refused, so this ends.
        while let Some((part, on)) = self.parts.get(software) {
            waiting.extend(on.iter().map(String::as_str));
            software = part;
        }
        let (mut seen, mut platforms) = (HashSet::new(), Vec::new());
        while let Some(id) = waiting.pop_front() {
            if !seen.insert(id) || platforms.len() >= MAX_PLATFORMS {
                continue;
            }
            platforms.extend(self.products.get(id));
            if let Some((part, on)) = self.parts.get(id) {
                waiting.push_back(part);
                waiting.extend(on.iter().map(String::as_str));
            }
        }
        Some((self.products.get(software)?, platforms))
    }

    /// The products of groups.
    pub(super) fn members<'a>(&'a self, groups: &'a Value) -> impl Iterator<Item = &'a str> {
        list(groups)
            .filter_map(Value::as_str)
            .filter_map(|id| self.groups.get(id))
            .flatten()
            .map(String::as_str)
    }
}

/// The members of a list; none of anything else.
pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A text, cut; empty of anything else.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map(shown).unwrap_or_default()
}

fn shown(text: &str) -> String {
    crate::domain::osv::cut(text)
}
