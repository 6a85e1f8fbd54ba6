//! The crate graph as cargo resolves it on Linux, normal dependencies only.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct Graph {
    pub(crate) metadata: Metadata,
    edges: BTreeMap<PackageId, Vec<PackageId>>,
}

impl Graph {
    pub(crate) fn load() -> Self {
        let metadata = MetadataCommand::new()
            .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
            .other_options(
                ["--filter-platform", "x86_64-unknown-linux-gnu", "--locked"].map(String::from),
            )
            .exec()
            .expect("cargo metadata");
        let resolve = metadata.resolve.as_ref().expect("a resolved graph");
        let edges = resolve
            .nodes
            .iter()
            .map(|node| {
                let normal = node
                    .deps
                    .iter()
                    .filter(|dep| {
                        dep.dep_kinds
                            .iter()
                            .any(|kind| kind.kind == DependencyKind::Normal)
                    })
                    .map(|dep| dep.pkg.clone());
                (node.id.clone(), normal.collect())
            })
            .collect();
        Self { metadata, edges }
    }

    pub(crate) fn members(&self) -> Vec<&Package> {
        self.metadata.workspace_packages()
    }

    /// Names of the packages that this one uses directly.
    pub(crate) fn direct(&self, package: &Package) -> BTreeSet<&str> {
        self.edges[&package.id]
            .iter()
            .map(|id| self.metadata[id].name.as_str())
            .collect()
    }

    /// Names of all packages that end up in this one's program.
    pub(crate) fn reachable(&self, name: &str) -> BTreeSet<&str> {
        let start = self
            .members()
            .into_iter()
            .find(|package| package.name == name);
        let start = start.unwrap_or_else(|| panic!("the workspace has no crate {name}"));
        let mut found = BTreeSet::new();
        let mut open = vec![&start.id];
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            for next in &self.edges[id] {
                if seen.insert(next) {
                    found.insert(self.metadata[next].name.as_str());
                    open.push(next);
                }
            }
        }
        found
    }
}
