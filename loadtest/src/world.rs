//! Simulated hosts, made of what is real: the packages of Debian's indices, the versions that its advisories name, the package
//! lists of the pack's hosts.

use anyhow::{Context, Result, bail};
use netpatch_inventory::domain::dpkg::StatusReader;
use netpatch_inventory::domain::fleet::Fleet;
use netpatch_inventory::domain::manifest::manifest_hash;
use netpatch_inventory::pack::{self, Pack};
use netpatch_types::{ComponentKey, HostId, Sha256};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// A file of the pack, unpacked if it has to be.
fn read(dir: &Path, name: &str) -> Result<String> {
    let plain = dir.join(name);
    if plain.is_file() {
        return Ok(std::fs::read_to_string(plain)?);
    }
    let packed = dir.join(format!("{name}.zst"));
    let bytes = std::fs::read(&packed)
        .with_context(|| format!("neither {name} nor {name}.zst in the pack"))?;
    Ok(String::from_utf8(zstd::decode_all(bytes.as_slice())?)?)
}

/// The pack itself.
pub(crate) fn load(dir: &Path) -> Result<Pack> {
    let files = pack::PackFiles::open(dir)?;
    pack::read(&files, &pack::Rules::default())
        .with_context(|| format!("read the pack in {}", dir.display()))
}

/// A host of the pack.
pub(crate) struct RealHost {
    pub(crate) name: &'static str,
    pub(crate) status: PathBuf,
    pub(crate) components: Vec<ComponentKey>,
}

const HOSTS: [&str; 4] = [
    "real-container",
    "all-newest-in-archive",
    "point-release-12.15",
    "release-day-2023-06",
];

/// The pack's hosts; their status files are unpacked into `folder`.
pub(crate) fn real_hosts(dir: &Path, folder: &Path) -> Result<Vec<RealHost>> {
    let mut hosts = Vec::new();
    for name in HOSTS {
        let text = read(dir, &format!("debian-bookworm/hosts/{name}.status"))?;
        let mut reader = StatusReader::new(pack::release());
        let mut found: Vec<_> = text
            .lines()
            .filter_map(|line| reader.line(Some(line.as_bytes())))
            .collect();
        found.extend(reader.finish());
        let components: Vec<ComponentKey> = found
            .into_iter()
            .filter_map(|one| one.ok().flatten())
            .collect();
        if components.is_empty() {
            bail!("the host {name} of the pack has no package");
        }
        let status = folder.join(name);
        std::fs::write(&status, text)?;
        hosts.push(RealHost {
            name,
            status,
            components,
        });
    }
    Ok(hosts)
}

/// The versions of each source at which an advisory ends, in seeded order.
pub(crate) struct Fixes(HashMap<String, Vec<String>>);

impl Fixes {
    pub(crate) fn of(pack: &Pack, seed: u64) -> Self {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let release = pack::release();
        for affected in pack.advisories.iter().flat_map(|one| &one.affected) {
            if let Some(fixed) = affected.only_fix().filter(|_| affected.release == release) {
                all.entry(affected.name.clone())
                    .or_default()
                    .push(fixed.to_owned());
            }
        }
        let mut random = StdRng::seed_from_u64(seed);
        for versions in all.values_mut() {
            versions.sort_unstable();
            versions.dedup();
            versions.shuffle(&mut random);
        }
        Self(all.into_iter().collect())
    }

    /// Another version of a component: where an advisory of its source ends while there are some, then made up.
    pub(crate) fn other(&self, key: &ComponentKey, turn: usize) -> ComponentKey {
        let known = self.0.get(&key.source).and_then(|all| all.get(turn));
        let version = known
            .cloned()
            .unwrap_or_else(|| format!("{}+deb12u{}", key.source_version, turn + 1));
        ComponentKey {
            version: version.clone(),
            source_version: version,
            ..key.clone()
        }
    }
}

/// So many distinct component versions: every binary package of the pack's indices, then each in other versions.
pub(crate) fn distinct(dir: &Path, fixes: &Fixes, count: usize) -> Result<Vec<ComponentKey>> {
    let text = read(dir, "debian-bookworm/packages.tsv")?;
    let release = pack::release();
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [_, name, version, arch, source, source_version] = columns[..] else {
            bail!("packages.tsv: {line:?} has not six columns");
        };
        rows.push(ComponentKey {
            ecosystem: release.ecosystem,
            distribution: release.distribution.clone(),
            release: release.codename.clone(),
            name: name.into(),
            version: version.into(),
            arch: arch.into(),
            source: source.into(),
            source_version: source_version.into(),
        });
    }
    let mut all = Vec::with_capacity(count);
    let mut seen = HashSet::with_capacity(count);
    for turn in 0..=count {
        for row in &rows {
            if all.len() == count {
                return Ok(all);
            }
            let component = match turn {
                0 => row.clone(),
                turn => fixes.other(row, turn - 1),
            };
            if seen.insert((component.name.clone(), component.version.clone())) {
                all.push(component);
            }
        }
    }
    bail!("the pack has no packages to make {count} components of")
}

/// Distinct manifests over numbered components.
pub(crate) struct Manifests {
    pub(crate) components: Vec<Arc<ComponentKey>>,
    pub(crate) all: Vec<(Sha256, Arc<[u32]>)>,
}

impl Manifests {
    /// So many variations of the pack's hosts: each lacks a few packages and has some in another version.
    pub(crate) fn vary(hosts: &[RealHost], fixes: &Fixes, count: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut components: Vec<Arc<ComponentKey>> = Vec::new();
        let mut numbers: HashMap<Arc<ComponentKey>, u32> = HashMap::new();
        let mut all = Vec::with_capacity(count);
        let mut seen = HashSet::new();
        while all.len() < count {
            let host = &hosts[all.len() % hosts.len()];
            let mut manifest = Vec::with_capacity(host.components.len());
            for component in &host.components {
                let key = match random.random_range(0..100) {
                    0..3 => continue,
                    3..18 => fixes.other(component, random.random_range(0..4)),
                    _ => component.clone(),
                };
                let key = Arc::new(key);
                let number = *numbers.entry(Arc::clone(&key)).or_insert_with(|| {
                    components.push(key);
                    u32::try_from(components.len() - 1).unwrap_or(u32::MAX)
                });
                manifest.push(number);
            }
            let keys = manifest.iter().filter_map(|number| {
                let at = usize::try_from(*number).ok()?;
                Some(components.get(at)?.as_ref())
            });
            let hash = manifest_hash(keys);
            manifest.sort_unstable();
            if seen.insert(hash) {
                all.push((hash, manifest.into()));
            }
        }
        Self { components, all }
    }

    /// A fleet of so many hosts: the first manifests are carried by many, the last ones by few, each by at least one. Then
    /// `moved` hosts report another manifest, so that the bitmaps are as ragged as in life.
    pub(crate) fn fleet(&self, pack: &Pack, hosts: usize, moved: usize, seed: u64) -> Fleet {
        let mut fleet = Fleet::new(pack.aliases.clone());
        for (number, key) in (0..).zip(&self.components) {
            fleet.learn(number, Arc::clone(key));
        }
        let shares = shares(self.all.len(), hosts);
        let mut next = 0;
        for ((hash, components), share) in self.all.iter().zip(&shares) {
            fleet.put(*hash, components, (next..next + share).map(host));
            next += share;
        }
        fleet.settle();
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..moved {
            let (hash, components) = &self.all[random.random_range(0..self.all.len())];
            fleet.put(*hash, components, [host(random.random_range(0..next))]);
        }
        fleet
    }
}

/// How many of `hosts` carry each of `manifests`: as 1/(10 + rank).
fn shares(manifests: usize, hosts: usize) -> Vec<usize> {
    let weight = |rank: usize| 1.0 / (10.0 + crate::report::figure(rank));
    let sum: f64 = (0..manifests).map(weight).sum();
    let spare = crate::report::figure(hosts.saturating_sub(manifests));
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a number of hosts"
    )]
    let mut all: Vec<usize> = (0..manifests)
        .map(|rank| 1 + (spare * weight(rank) / sum) as usize)
        .collect();
    let given: usize = all.iter().sum();
    if let Some(first) = all.first_mut() {
        *first += hosts.saturating_sub(given);
    }
    all
}

/// A host's id.
pub(crate) fn host(number: usize) -> HostId {
    HostId(Uuid::from_u128(
        0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::try_from(number).unwrap_or_default(),
    ))
}
