//! Rules of assets: which asset a record is about, which host an asset belongs to, what its fields may hold.
//!
//! Nothing here guesses: one key that fits exactly one, both ways, decides; everything else is an error or is listed as ambiguous.

use chrono::{Datelike as _, NaiveDate};
use netpatch_inventory_api::{AssetLinkRule, AssetWrite, Change};
use netpatch_types::{Criticality, HostId, Labels, Sha256, firmware};
use std::collections::BTreeSet;

/// Longest text of a field, bytes.
pub const MAX_TEXT_BYTES: usize = 255;
/// Most tags of an asset.
pub const MAX_TAGS: usize = 40;
/// Longest tag: with `tag:` it is the key of a label.
pub const MAX_TAG_BYTES: usize = 59;
/// Most hosts that an ambiguous asset lists.
pub const MAX_CANDIDATES: usize = 20;

/// Before the key of a label that is a tag.
const TAG: &str = "tag:";

/// The serial number as a key: in lower case; empty when it is none.
#[must_use]
pub fn serial_key(serial: &str) -> String {
    firmware::said(serial).to_lowercase()
}

/// What the host's firmware says of a field that nobody has said anything of; `None` when there is nothing to fill in.
#[must_use]
pub fn vacant<'a>(held: &str, said: &'a str) -> Option<&'a str> {
    let said = firmware::said(said);
    let fits =
        !said.is_empty() && said.len() <= MAX_TEXT_BYTES && !said.chars().any(char::is_control);
    (held.is_empty() && fits).then_some(said)
}

/// The name as a key: in lower case; empty for names that many machines have.
#[must_use]
pub fn hostname_key(hostname: &str) -> String {
    let key = hostname.trim().to_lowercase();
    if key == "localhost" || key.starts_with("localhost.") {
        String::new()
    } else {
        key
    }
}

/// The salted hash of a machine id: hosts report it so. A hash stays what it is.
#[must_use]
pub fn machine_key(machine_id: &str) -> Option<String> {
    let id = machine_id.trim().replace('-', "").to_lowercase();
    let is_hexadecimal = id.bytes().all(|byte| byte.is_ascii_hexdigit());
    match id.len() {
        64 if is_hexadecimal => Some(id),
        32 if is_hexadecimal && id.bytes().any(|byte| byte != b'0') => {
            Some(Sha256::of(format!("netpatch-machine/1{id}").as_bytes()).to_string())
        }
        _ => None,
    }
}

/// By what a machine is known. Empty: not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// The customer's own number; hosts have none.
    pub inventory_number: String,
    /// Salted hash.
    pub machine_id: String,
    /// [`serial_key`].
    pub serial: String,
    /// [`hostname_key`].
    pub hostname: String,
}

impl Keys {
    /// From strongest to weakest, with its word.
    #[must_use]
    pub fn in_order(&self) -> [(&'static str, &str); 4] {
        [
            ("inventory number", &self.inventory_number),
            ("machine id", &self.machine_id),
            ("serial number", &self.serial),
            ("hostname", &self.hostname),
        ]
    }

    /// The first key before the `rank`th that both have and that differs.
    fn contradicts(&self, other: &Self, rank: usize) -> Option<&'static str> {
        self.in_order()
            .into_iter()
            .zip(other.in_order())
            .take(rank)
            .find(|((_, own), (_, other))| !own.is_empty() && !other.is_empty() && own != other)
            .map(|((word, _), _)| word)
    }
}

/// Which known asset a record is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// None of them: it is a new one.
    New,
    /// This one, by its place in the list.
    Is(usize),
    /// Why nobody can say.
    Unclear(String),
}

/// Finds the asset of a record among those that share a key with it.
#[must_use]
pub fn identify(record: &Keys, known: &[(usize, &Keys)]) -> Identity {
    let mut found: Option<(usize, &'static str)> = None;
    for (rank, (word, key)) in record.in_order().into_iter().enumerate() {
        if key.is_empty() {
            continue;
        }
        let fitting: Vec<&(usize, &Keys)> = known
            .iter()
            .filter(|(_, keys)| keys.in_order()[rank].1 == key)
            .collect();
        let is_hostname = rank == 3;
        if let Some((found, by)) = found {
            // Names repeat; every other key must not lead elsewhere.
            if !is_hostname && fitting.iter().any(|(at, _)| *at != found) {
                return Identity::Unclear(format!(
                    "its {by} is one asset's and its {word} another's"
                ));
            }
            continue;
        }
        if is_hostname {
            let mut free = fitting
                .iter()
                .filter(|(_, keys)| record.contradicts(keys, rank).is_none());
            return match (free.next(), free.next()) {
                (None, _) => Identity::New,
                (Some((at, _)), None) => Identity::Is(*at),
                _ => Identity::Unclear("several assets have its hostname".to_owned()),
            };
        }
        match fitting.as_slice() {
            [] => {}
            [(at, keys)] => match record.contradicts(keys, rank) {
                Some(other) => {
                    return Identity::Unclear(format!(
                        "the asset with its {word} has another {other}"
                    ));
                }
                None => found = Some((*at, word)),
            },
            _ => return Identity::Unclear(format!("several assets have its {word}")),
        }
    }
    found.map_or(Identity::New, |(at, _)| Identity::Is(at))
}

/// A host that shares a key with an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKeys {
    /// Which.
    pub host: HostId,
    /// By what it is known; `inventory_number` is empty.
    pub keys: Keys,
    /// Another asset is linked to it.
    pub is_taken: bool,
}

/// Which host an asset belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// This one.
    To(HostId, AssetLinkRule),
    /// None fits.
    None,
    /// A person must decide between these.
    Ambiguous(Vec<HostId>),
}

/// Links an asset by the strongest key that any host shares. `has_rival` says whether another asset has the same key.
#[must_use]
pub fn link(asset: &Keys, hosts: &[HostKeys], has_rival: impl Fn(AssetLinkRule) -> bool) -> Link {
    let rules = [
        (1, AssetLinkRule::MachineId),
        (2, AssetLinkRule::Serial),
        (3, AssetLinkRule::Hostname),
    ];
    for (rank, rule) in rules {
        let key = asset.in_order()[rank].1;
        if key.is_empty() {
            continue;
        }
        let fitting: Vec<&HostKeys> = hosts
            .iter()
            .filter(|host| host.keys.in_order()[rank].1 == key)
            .collect();
        match fitting.as_slice() {
            [] => {}
            [host]
                if !host.is_taken
                    && asset.contradicts(&host.keys, rank).is_none()
                    && !has_rival(rule) =>
            {
                return Link::To(host.host, rule);
            }
            several => {
                return Link::Ambiguous(
                    several
                        .iter()
                        .take(MAX_CANDIDATES)
                        .map(|host| host.host)
                        .collect(),
                );
            }
        }
    }
    Link::None
}

/// What is wrong with a field, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Which field, in the API's spelling.
    pub field: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

fn text(field: &'static str, change: &mut Change<String>) -> Result<(), FieldError> {
    let Change::Set(value) = change else {
        return Ok(());
    };
    let trimmed = value.trim();
    if trimmed.len() > MAX_TEXT_BYTES || trimmed.chars().any(char::is_control) {
        return Err(FieldError {
            field,
            message: format!(
                "is {} bytes long or holds a control character",
                trimmed.len()
            ),
            remedy: format!("give at most {MAX_TEXT_BYTES} bytes of plain text"),
        });
    }
    *change = if trimmed.is_empty() {
        Change::Clear
    } else {
        Change::Set(trimmed.to_owned())
    };
    Ok(())
}

fn date(field: &'static str, change: &Change<NaiveDate>) -> Result<(), FieldError> {
    match change.value() {
        Some(day) if !(1980..=2200).contains(&day.year()) => Err(FieldError {
            field,
            message: format!("{day} is not a day between 1980 and 2200"),
            remedy: "write the day as 2027-01-31".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// A record with its texts trimmed, empty ones cleared and its machine id hashed.
pub fn checked(mut write: AssetWrite) -> Result<AssetWrite, FieldError> {
    for (field, change) in [
        ("inventoryNumber", &mut write.inventory_number),
        ("hostname", &mut write.hostname),
        ("machineId", &mut write.machine_id),
        ("serial", &mut write.serial),
        ("vendor", &mut write.vendor),
        ("model", &mut write.model),
        ("owner", &mut write.owner),
        ("department", &mut write.department),
        ("location", &mut write.location),
        ("tier", &mut write.tier),
    ] {
        text(field, change)?;
    }
    date("warrantyEnd", &write.warranty_end)?;
    date("endOfLife", &write.end_of_life)?;
    if let Change::Set(id) = &write.machine_id {
        let key = machine_key(id).ok_or_else(|| FieldError {
            field: "machineId",
            message: "is not a machine id".to_owned(),
            remedy: "give the 32 hexadecimal digits of /etc/machine-id, or their salted hash of 64"
                .to_owned(),
        })?;
        write.machine_id = Change::Set(key);
    }
    if let Change::Set(tags) = &write.tags {
        let tags: BTreeSet<String> = tags.iter().map(|tag| tag.trim().to_owned()).collect();
        let fits = |tag: &String| {
            (1..=MAX_TAG_BYTES).contains(&tag.len()) && !tag.chars().any(char::is_control)
        };
        if tags.len() > MAX_TAGS || !tags.iter().all(fits) {
            return Err(FieldError {
                field: "tags",
                message: "has too many tags, or one that is empty or too long".to_owned(),
                remedy: format!("give at most {MAX_TAGS} tags of 1 to {MAX_TAG_BYTES} bytes"),
            });
        }
        write.tags = Change::Set(tags);
    }
    Ok(write)
}

/// The labels of an asset that a host's labels hold too.
#[must_use]
pub fn asset_labels(labels: &Labels) -> Labels {
    labels
        .iter()
        .filter(|(key, _)| {
            key.starts_with(TAG)
                || [
                    "owner",
                    "department",
                    "location",
                    "tier",
                    Criticality::LABEL,
                ]
                .contains(&key.as_str())
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Writes what a record says into labels; the names of the fields that changed.
pub fn write_labels(labels: &mut Labels, write: &AssetWrite) -> Vec<&'static str> {
    let mut changed = Vec::new();
    let criticality = match &write.criticality {
        Change::Set(word) => Change::Set(word.as_str().to_owned()),
        Change::Clear => Change::Clear,
        Change::Keep => Change::Keep,
    };
    for (key, change) in [
        ("owner", &write.owner),
        ("department", &write.department),
        ("location", &write.location),
        ("tier", &write.tier),
        (Criticality::LABEL, &criticality),
    ] {
        let before = labels.get(key).cloned();
        match change {
            Change::Keep => {}
            Change::Clear => {
                labels.remove(key);
            }
            Change::Set(value) => {
                labels.insert(key.to_owned(), value.clone());
            }
        }
        if labels.get(key) != before.as_ref() {
            changed.push(key);
        }
    }
    let wanted = match &write.tags {
        Change::Keep => return changed,
        Change::Clear => BTreeSet::new(),
        Change::Set(tags) => tags.clone(),
    };
    if tags(labels) != wanted {
        labels.retain(|key, _| !key.starts_with(TAG));
        labels.extend(
            wanted
                .into_iter()
                .map(|tag| (format!("{TAG}{tag}"), String::new())),
        );
        changed.push("tags");
    }
    changed
}

/// The tags among labels.
#[must_use]
pub fn tags(labels: &Labels) -> BTreeSet<String> {
    labels
        .keys()
        .filter_map(|key| key.strip_prefix(TAG))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests;
