//! Which hosts of one organization carry which component: bitmaps over dense host numbers.
//!
//! An advisory leads to its packages, these to the components that are carried in any version, these to hosts. What that costs
//! grows with the distinct versions of the package; a host costs a bit. Host numbers live as long as the structure and are
//! given in the order of loading, so that hosts of equal manifests lie side by side and a bitmap is a few runs.
//!
//! Deliberately absent: rights. Whoever shows a set filters it in SQL by the scope of the request.

use crate::domain::affected::{Release, Status};
use crate::domain::index::{MatchIndex, packages_of};
use crate::domain::subject::Aliases;
use netpatch_types::{ComponentKey, HostId, Sha256};
use roaring::RoaringBitmap;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A manifest that hosts carry.
#[derive(Clone, Debug)]
struct Held {
    hash: Sha256,
    /// Sorted.
    components: Arc<[u32]>,
    hosts: u32,
}

/// A component that a host carries or carried.
#[derive(Clone, Debug)]
struct Carried {
    key: Arc<ComponentKey>,
    hosts: RoaringBitmap,
}

/// Hosts and what they carry.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    aliases: Aliases,
    hosts: Vec<HostId>,
    numbers: HashMap<HostId, u32>,
    /// By host number, the place of its manifest.
    places: Vec<u32>,
    manifests: Vec<Held>,
    by_hash: HashMap<Sha256, u32>,
    /// Places of manifests that nobody carries any more.
    free: Vec<u32>,
    carried: HashMap<u32, Carried>,
    packages: HashMap<Release, HashMap<String, Vec<u32>>>,
}

impl Fleet {
    /// Nobody yet. The aliases are those of the advisories that will be asked about.
    #[must_use]
    pub fn new(aliases: Aliases) -> Self {
        Self {
            aliases,
            ..Self::default()
        }
    }

    /// Whether the components are grouped by these aliases.
    #[must_use]
    pub fn is_of(&self, aliases: &Aliases) -> bool {
        self.aliases == *aliases
    }

    /// How many hosts there are.
    #[must_use]
    pub fn host_count(&self) -> usize {
        self.hosts.len()
    }

    /// How many different components are carried or were.
    #[must_use]
    pub fn component_count(&self) -> usize {
        self.carried.len()
    }

    /// Bytes of the bitmaps' contents.
    #[must_use]
    pub fn bitmap_bytes(&self) -> u64 {
        let size = |carried: &Carried| {
            let of = carried.hosts.statistics();
            of.n_bytes_array_containers + of.n_bytes_run_containers + of.n_bytes_bitset_containers
        };
        self.carried.values().map(size).sum()
    }

    /// The components that are carried or were.
    pub fn components(&self) -> impl Iterator<Item = (u32, &ComponentKey)> {
        self.carried
            .iter()
            .map(|(number, carried)| (*number, carried.key.as_ref()))
    }

    /// Whether a component of this number has been learnt.
    #[must_use]
    pub fn knows(&self, component: u32) -> bool {
        self.carried.contains_key(&component)
    }

    /// Learns what a component number stands for.
    pub fn learn(&mut self, component: u32, key: Arc<ComponentKey>) {
        if self.knows(component) {
            return;
        }
        let (release, names) = packages_of(&self.aliases, &key);
        let of_release = self.packages.entry(release).or_default();
        for name in names {
            of_release.entry(name).or_default().push(component);
        }
        let hosts = RoaringBitmap::new();
        self.carried.insert(component, Carried { key, hosts });
    }

    /// Whether a manifest is held, that is, carried by somebody.
    #[must_use]
    pub fn holds(&self, hash: Sha256) -> bool {
        self.by_hash.contains_key(&hash)
    }

    /// The manifest that a host carries.
    #[must_use]
    pub fn manifest_of(&self, host: HostId) -> Option<Sha256> {
        let number = self.numbers.get(&host)?;
        Some(self.held_by(*number)?.hash)
    }

    fn held_by(&self, number: u32) -> Option<&Held> {
        let place = self.places.get(index(number))?;
        self.manifests.get(index(*place))
    }

    /// Hosts carry a manifest of these components, each of which has been learnt. New hosts are numbered side by side.
    pub fn put(
        &mut self,
        hash: Sha256,
        components: &Arc<[u32]>,
        hosts: impl IntoIterator<Item = HostId>,
    ) {
        let place = self.hold(hash, components);
        let first = number(self.hosts.len());
        for host in hosts {
            match self.numbers.get(&host).copied() {
                Some(number) => self.shift(number, place),
                None => {
                    let new = number(self.hosts.len());
                    self.numbers.insert(host, new);
                    self.hosts.push(host);
                    self.places.push(place);
                    self.count(place, 1);
                }
            }
        }
        let end = number(self.hosts.len());
        if end > first {
            for component in components.iter() {
                if let Some(carried) = self.carried.get_mut(component) {
                    carried.hosts.insert_range(first..end);
                }
            }
        }
        self.release(place);
    }

    fn hold(&mut self, hash: Sha256, components: &Arc<[u32]>) -> u32 {
        if let Some(place) = self.by_hash.get(&hash) {
            return *place;
        }
        let held = Held {
            hash,
            components: Arc::clone(components),
            hosts: 0,
        };
        let place = match self.free.pop() {
            Some(place) => {
                self.manifests[index(place)] = held;
                place
            }
            None => {
                self.manifests.push(held);
                number(self.manifests.len() - 1)
            }
        };
        self.by_hash.insert(hash, place);
        place
    }

    fn count(&mut self, place: u32, by: i64) {
        if let Some(held) = self.manifests.get_mut(index(place)) {
            held.hosts = u32::try_from(i64::from(held.hosts) + by).unwrap_or_default();
        }
    }

    /// Forgets a manifest that nobody carries.
    fn release(&mut self, place: u32) {
        let Some(held) = self.manifests.get_mut(index(place)) else {
            return;
        };
        if held.hosts == 0 && self.by_hash.get(&held.hash) == Some(&place) {
            held.components = Arc::new([]);
            self.by_hash.remove(&held.hash);
            self.free.push(place);
        }
    }

    /// A host goes from its manifest to another: only what differs is touched.
    fn shift(&mut self, host: u32, place: u32) {
        let before = self.places[index(host)];
        if before == place {
            return;
        }
        let components = |at: u32| Arc::clone(&self.manifests[index(at)].components);
        let (old, new) = (components(before), components(place));
        for component in apart(&old, &new) {
            if let Some(carried) = self.carried.get_mut(&component) {
                carried.hosts.remove(host);
            }
        }
        for component in apart(&new, &old) {
            if let Some(carried) = self.carried.get_mut(&component) {
                carried.hosts.insert(host);
            }
        }
        self.places[index(host)] = place;
        self.count(before, -1);
        self.count(place, 1);
        self.release(before);
    }

    /// After loading: bitmaps in their smallest form.
    pub fn settle(&mut self) {
        for carried in self.carried.values_mut() {
            carried.hosts.optimize();
        }
    }

    /// What is carried of these packages.
    fn of_packages<'a>(
        &'a self,
        packages: Vec<(&'a Release, &'a str)>,
    ) -> impl Iterator<Item = &'a Carried> {
        packages
            .into_iter()
            .filter_map(|(release, name)| self.packages.get(release)?.get(name))
            .flatten()
            .filter_map(|component| self.carried.get(component))
            .filter(|carried| !carried.hosts.is_empty())
    }

    /// The hosts that any of these advisories applies to, by host number.
    #[must_use]
    pub fn affected(&self, index: &MatchIndex, is_asked: impl Fn(u32) -> bool) -> RoaringBitmap {
        let mut hosts = RoaringBitmap::new();
        for carried in self.of_packages(index.packages(&is_asked)) {
            if hits(index, &carried.key).any(|(advisory, _)| is_asked(advisory)) {
                hosts |= &carried.hosts;
            }
        }
        hosts
    }

    /// The hosts on which something changes when these advisories are replaced: those that one of them applied to or applies to
    /// now, and those that another advisory applies to otherwise than before, because one of them took it out or does not any more.
    #[must_use]
    pub fn touched(
        &self,
        is_changed: impl Fn(u32) -> bool,
        before: &MatchIndex,
        after: &MatchIndex,
    ) -> RoaringBitmap {
        let mut hosts = RoaringBitmap::new();
        let mut packages = before.packages(&is_changed);
        packages.extend(after.packages(&is_changed));
        packages.sort_unstable();
        packages.dedup();
        for carried in self.of_packages(packages) {
            let was: Vec<_> = hits(before, &carried.key).collect();
            let is: Vec<_> = hits(after, &carried.key).collect();
            if was != is
                || was
                    .iter()
                    .chain(&is)
                    .any(|(advisory, _)| is_changed(*advisory))
            {
                hosts |= &carried.hosts;
            }
        }
        hosts
    }

    /// The ids of hosts, in the order of their numbers.
    pub fn ids<'a>(&'a self, hosts: &'a RoaringBitmap) -> impl Iterator<Item = HostId> + 'a {
        let id = |number| self.hosts.get(index(number)).copied();
        hosts.iter().filter_map(id)
    }

    /// Whether a host is in a set.
    #[must_use]
    pub fn is_in(&self, host: HostId, hosts: &RoaringBitmap) -> bool {
        let number = self.numbers.get(&host);
        number.is_some_and(|number| hosts.contains(*number))
    }

    /// The manifests that these hosts carry.
    #[must_use]
    pub fn manifests(&self, hosts: &RoaringBitmap) -> BTreeSet<Sha256> {
        let places: BTreeSet<u32> = hosts
            .iter()
            .filter_map(|number| self.places.get(index(number)).copied())
            .collect();
        let hash = |place| self.manifests.get(index(place)).map(|held| held.hash);
        places.into_iter().filter_map(hash).collect()
    }
}

/// The advisories that apply to a component, with their fixing versions.
fn hits<'a>(
    index: &'a MatchIndex,
    component: &ComponentKey,
) -> impl Iterator<Item = (u32, Option<&'a str>)> {
    let found = index.affected(component);
    found
        .into_iter()
        .flat_map(|found| found.intervals)
        .filter(|interval| interval.status == Status::Affected)
        .map(|interval| (interval.advisory, interval.fixed_version()))
}

/// What the first sorted list has and the second has not.
fn apart<'a>(one: &'a [u32], other: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
    let mut rest = other;
    one.iter().copied().filter(move |number| {
        let before = rest.partition_point(|other| other < number);
        rest = &rest[before..];
        rest.first() != Some(number)
    })
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Four thousand million hosts are more than an organization has.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::advisory::AdvisoryRecord;
    use crate::domain::affected::Affected;
    use netpatch_types::Ecosystem;
    use uuid::Uuid;

    fn component(name: &str, version: &str) -> Arc<ComponentKey> {
        Arc::new(ComponentKey {
            ecosystem: Ecosystem::Deb,
            distribution: "debian".into(),
            release: "bookworm".into(),
            name: name.into(),
            version: version.into(),
            arch: "amd64".into(),
            source: name.into(),
            source_version: version.into(),
        })
    }

    fn below(source: &str, fixed: &str) -> AdvisoryRecord {
        let release = Release::os(Ecosystem::Deb, "debian", "bookworm");
        AdvisoryRecord {
            affected: vec![Affected::below(release, source, fixed)],
            ..AdvisoryRecord::default()
        }
    }

    fn host(number: u128) -> HostId {
        HostId(Uuid::from_u128(number))
    }

    /// Components 0, 1, 2 are curl 1, 2, 3; 3 is zip 1.
    fn fleet() -> Fleet {
        let mut fleet = Fleet::new(Aliases::default());
        for (number, version) in ["1", "2", "3"].into_iter().enumerate() {
            fleet.learn(super::number(number), component("curl", version));
        }
        fleet.learn(3, component("zip", "1"));
        fleet
    }

    fn put(fleet: &mut Fleet, components: &[u32], hosts: &[u128]) {
        let hash = Sha256::of(format!("{components:?}").as_bytes());
        fleet.put(
            hash,
            &components.into(),
            hosts.iter().map(|number| host(*number)),
        );
    }

    fn affected(fleet: &Fleet, advisories: &[AdvisoryRecord], of: u32) -> Vec<HostId> {
        let index = MatchIndex::build(Aliases::default(), (0..).zip(advisories));
        let hosts = fleet.affected(&index, |advisory| advisory == of);
        fleet.ids(&hosts).collect()
    }

    #[test]
    fn an_advisory_leads_to_its_hosts() {
        let mut fleet = fleet();
        put(&mut fleet, &[0, 3], &[1, 2]);
        put(&mut fleet, &[1, 3], &[3]);
        put(&mut fleet, &[2], &[4]);
        let advisories = [
            below("curl", "2"),
            below("curl", "3"),
            below("zip", "9"),
            below("tor", "9"),
        ];
        let hosts = |of| affected(&fleet, &advisories, of);
        assert_eq!(hosts(0), [host(1), host(2)]);
        assert_eq!(hosts(1), [host(1), host(2), host(3)]);
        assert_eq!(hosts(2), [host(1), host(2), host(3)]);
        assert!(hosts(3).is_empty() && hosts(4).is_empty());
    }

    #[test]
    fn a_host_that_reports_anew_leaves_and_joins() {
        let mut fleet = fleet();
        put(&mut fleet, &[0, 3], &[1, 2]);
        put(&mut fleet, &[2, 3], &[1]);
        let advisories = [below("curl", "3"), below("zip", "9")];
        assert_eq!(affected(&fleet, &advisories, 0), [host(2)]);
        assert_eq!(affected(&fleet, &advisories, 1), [host(1), host(2)]);
        assert_eq!(fleet.host_count(), 2);
        // The last one leaves: its manifest is forgotten, and its place taken by the next.
        let old = fleet.manifest_of(host(2)).expect("carried");
        put(&mut fleet, &[2, 3], &[2]);
        assert!(!fleet.holds(old));
        put(&mut fleet, &[1], &[5]);
        assert_eq!(affected(&fleet, &advisories, 0), [host(5)]);
        assert_eq!(fleet.manifests(&RoaringBitmap::from_iter([0, 1])).len(), 1);
    }

    #[test]
    fn a_changed_advisory_touches_both_sides() {
        let mut fleet = fleet();
        put(&mut fleet, &[0], &[1]);
        put(&mut fleet, &[1], &[2]);
        put(&mut fleet, &[2], &[3]);
        let index = |fixed| {
            let all = [below("curl", fixed), below("curl", "9")];
            MatchIndex::build(Aliases::default(), (0..).zip(&all))
        };
        let (before, after) = (index("2"), index("3"));
        let touched = fleet.touched(|advisory| advisory == 0, &before, &after);
        assert_eq!(
            fleet.ids(&touched).collect::<Vec<_>>(),
            [host(1), host(2)],
            "what the other advisory says did not change"
        );
        assert!(fleet.is_in(host(2), &touched) && !fleet.is_in(host(3), &touched));
    }

    proptest::proptest! {
        /// Whatever is reported in whatever order, the bitmaps say what the last reports say.
        #[test]
        fn bitmaps_are_the_sum_of_the_last_reports(
            reports in proptest::collection::vec((1u128..6, proptest::collection::btree_set(0u32..4, 0..4)), 0..40)
        ) {
            let mut fleet = fleet();
            let mut last = std::collections::BTreeMap::new();
            for (host, components) in reports {
                let sorted: Vec<u32> = components.iter().copied().collect();
                put(&mut fleet, &sorted, &[host]);
                last.insert(host, components);
            }
            for component in 0..4 {
                let expected: BTreeSet<HostId> = last.iter()
                    .filter(|(_, components)| components.contains(&component))
                    .map(|(number, _)| host(*number))
                    .collect();
                let carried = &fleet.carried[&component].hosts;
                let found: BTreeSet<HostId> = fleet.ids(carried).collect();
                proptest::prop_assert_eq!(found, expected);
            }
        }
    }
}
