//! The bitmaps against matching host by host, over the bundled pack and the fixture hosts.

use crate::status::{components, fixture, pack_dir};
use netpatch_inventory::domain::affected::Status;
use netpatch_inventory::domain::fleet::Fleet;
use netpatch_inventory::domain::index::MatchIndex;
use netpatch_inventory::domain::manifest::manifest_hash;
use netpatch_inventory::pack;
use netpatch_types::HostId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

#[test]
fn every_advisory_leads_to_the_hosts_that_matching_finds() {
    let files = pack::PackFiles::open(Path::new(&pack_dir())).expect("the bundled pack");
    let pack = pack::read(&files, &pack::Rules::default()).expect("the bundled pack");
    let index = MatchIndex::build(pack.aliases.clone(), (0..).zip(&pack.advisories));
    let mut fleet = Fleet::new(pack.aliases.clone());
    let mut numbers = HashMap::new();
    let mut expected: BTreeMap<u32, BTreeSet<HostId>> = BTreeMap::new();
    let names = [
        "real-container",
        "all-newest-in-archive",
        "point-release-12.15",
        "release-day-2023-06",
    ];
    for (at, name) in (1u128..).zip(names) {
        let host = HostId(uuid::Uuid::from_u128(at));
        let components = components(&fixture(&format!("{name}.status")));
        let mut manifest = Vec::new();
        for component in &components {
            let next = u32::try_from(numbers.len()).expect("few");
            let number = *numbers.entry(component.clone()).or_insert(next);
            fleet.learn(number, Arc::new(component.clone()));
            manifest.push(number);
            for hit in index.affected(component).expect("comparable").intervals {
                if hit.status == Status::Affected {
                    expected.entry(hit.advisory).or_default().insert(host);
                }
            }
        }
        manifest.sort_unstable();
        fleet.put(manifest_hash(&components), &manifest.into(), [host]);
    }
    let mut found: BTreeMap<u32, BTreeSet<HostId>> = BTreeMap::new();
    // Some of the advisories: each is asked alone.
    let asked = |advisory: u32| advisory.is_multiple_of(37);
    for advisory in
        (0..u32::try_from(pack.advisories.len()).expect("few")).filter(|one| asked(*one))
    {
        let hosts = fleet.affected(&index, |one| one == advisory);
        if !hosts.is_empty() {
            found.insert(advisory, fleet.ids(&hosts).collect());
        }
    }
    expected.retain(|advisory, _| asked(*advisory));
    assert!(expected.len() > 100, "{}", expected.len());
    assert!(found == expected);
}
