//! The name of a content list: what approvals are bound to and orders carry.

use crate::document::Content;
use netpatch_types::Sha256;
use prost::Message as _;

/// The list in its canonical order: by name, then architecture, then the rest.
#[must_use]
pub fn canonical(content: &Content) -> Content {
    let mut items = content.items.clone();
    items.sort_by(|left, right| {
        (&left.name, &left.arch, &left.version, left.remove).cmp(&(
            &right.name,
            &right.arch,
            &right.version,
            right.remove,
        ))
    });
    Content { items }
}

/// SHA-256 of the encoded canonical list.
#[must_use]
pub fn content_digest(content: &Content) -> Sha256 {
    Sha256::of(&canonical(content).encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::ContentItem;

    #[test]
    fn the_digest_ignores_the_order_and_nothing_else() {
        let item = |name: &str, version: &str| ContentItem {
            name: name.into(),
            arch: "amd64".into(),
            version: version.into(),
            ..ContentItem::default()
        };
        let digest = |items: Vec<ContentItem>| content_digest(&Content { items });
        let one = digest(vec![item("a", "1"), item("b", "1")]);
        assert_eq!(one, digest(vec![item("b", "1"), item("a", "1")]));
        assert_ne!(one, digest(vec![item("a", "1"), item("b", "2")]));
        assert_ne!(one, digest(vec![item("a", "1")]));
    }
}
