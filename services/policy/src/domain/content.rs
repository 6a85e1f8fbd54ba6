//! The content list that an approval is bound to.

use netpatch_inventory_api::{ContentItem, PatchContent};
use netpatch_protocol::{content, document};
use netpatch_types::{PatchId, Sha256};

/// One item as documents carry it; orders must make theirs the same way, or digests differ.
#[must_use]
pub(crate) fn document_item(item: &ContentItem, patch: PatchId) -> document::ContentItem {
    document::ContentItem {
        name: item.name.clone(),
        arch: item.arch.clone(),
        version: item.version.clone(),
        fixed_version: item.fixed_version.clone(),
        sha256: item
            .sha256
            .map(|digest| digest.0.to_vec())
            .unwrap_or_default(),
        size_bytes: item.size_bytes,
        remove: item.remove,
        dependency: item.dependency,
        patch_id: patch.public(),
    }
}

/// The name of what a patch brings.
#[must_use]
pub(crate) fn digest(content_list: &PatchContent) -> Sha256 {
    let items = content_list
        .items
        .iter()
        .map(|item| document_item(item, content_list.patch))
        .collect();
    content::content_digest(&document::Content { items })
}

/// Whether everything that is to be installed now was in the approved list: nobody has to decide about less.
#[must_use]
pub(crate) fn covered(now: &[ContentItem], approved: &[ContentItem]) -> bool {
    now.iter().all(|item| approved.contains(item))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, version: &str) -> ContentItem {
        ContentItem {
            name: name.into(),
            arch: "amd64".into(),
            version: version.into(),
            fixed_version: version.into(),
            sha256: Some(Sha256::of(name.as_bytes())),
            size_bytes: 1,
            remove: false,
            dependency: false,
        }
    }

    #[test]
    fn less_is_covered_and_anything_else_is_not() {
        let approved = [item("libssl3", "3.0.17"), item("openssl", "3.0.17")];
        assert!(covered(&approved[..1], &approved));
        assert!(covered(&[], &approved));
        assert!(!covered(&[item("openssl", "3.0.18")], &approved));
        let rebuilt = ContentItem {
            sha256: Some(Sha256::of(b"other bytes")),
            ..item("openssl", "3.0.17")
        };
        assert!(!covered(&[rebuilt], &approved));
    }

    #[test]
    fn the_digest_depends_on_the_patch_and_not_on_the_order() {
        let list = |patch: &str, items: Vec<ContentItem>| PatchContent {
            patch: PatchId::of("deb", patch),
            items,
            disagreement: None,
        };
        let one = digest(&list("a", vec![item("x", "1"), item("y", "1")]));
        assert_eq!(
            one,
            digest(&list("a", vec![item("y", "1"), item("x", "1")]))
        );
        assert_ne!(
            one,
            digest(&list("b", vec![item("x", "1"), item("y", "1")]))
        );
    }
}
