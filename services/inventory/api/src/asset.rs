//! Assets: what an organization knows of a machine besides what its agent reports.
//!
//! An asset may be there before its host enrols (imported from an ITAM system) and is linked to it later by the rules of
//! [`AssetLinkRule`], never by guess: what fits several hosts, or contradicts, is listed as ambiguous until a person decides.
//!
//! Owner, department, location, tier, criticality and tags are labels (`netpatch_types::Labels`). Those of a linked asset **are** the
//! host's: there is one copy, and policies, groups and risk read it.

use chrono::{DateTime, NaiveDate, Utc};
use netpatch_types::{AssetId, Criticality, HostId, PageRequest, SiteId, TenantId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most assets of one import.
pub const MAX_ASSETS: usize = 20_000;
/// Most errors that an import lists; it counts all.
pub const MAX_LISTED_ERRORS: usize = 100;

/// An asset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asset {
    /// Id.
    pub id: AssetId,
    /// Whose.
    pub tenant: TenantId,
    /// Whether it belongs to a host, and by what.
    pub link: AssetLink,
    /// Where it stands: the host's site, else as given.
    pub site: Option<SiteId>,
    /// The customer's own number for it, unique in the organization; empty: none.
    pub inventory_number: String,
    /// Name; empty: not known.
    pub hostname: String,
    /// Salted hash of the machine id, as hosts report it; empty: not known.
    pub machine_id: String,
    /// The vendor's serial number; empty: not known.
    pub serial: String,
    /// Who built it.
    pub vendor: String,
    /// What it is.
    pub model: String,
    /// Who answers for it; empty: nobody said.
    pub owner: String,
    /// Department.
    pub department: String,
    /// Building, room, rack.
    pub location: String,
    /// Device tier: `server`, `workstation`, …
    pub tier: String,
    /// How much depends on it.
    pub criticality: Option<Criticality>,
    /// Tags, without the `tag:` of their label.
    pub tags: BTreeSet<String>,
    /// Last day of the warranty.
    pub warranty_end: Option<NaiveDate>,
    /// Last day on which the vendor supports it, or it is to be used.
    pub end_of_life: Option<NaiveDate>,
    /// Who wrote it last.
    pub origin: AssetOrigin,
    /// Grows with each change.
    pub etag: String,
    /// When it was first known.
    pub created_at: DateTime<Utc>,
    /// When it last changed; changes of a linked host's labels do not count.
    pub updated_at: DateTime<Utc>,
}

/// Whether an asset belongs to a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum AssetLink {
    /// To this one.
    Linked {
        /// Which.
        host: HostId,
        /// By what.
        rule: AssetLinkRule,
    },
    /// No host fits.
    Unlinked,
    /// Several hosts fit, or one fits by one key and contradicts by another: a person decides.
    Ambiguous {
        /// Hosts that fit, at most 20.
        candidates: Vec<HostId>,
    },
}

/// By what an asset was linked, strongest first. A rule links only if exactly one host fits it, that host has no other asset, and no
/// stronger key that both have differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetLinkRule {
    /// A person said so.
    Person,
    /// The same machine id.
    MachineId,
    /// The same serial number.
    Serial,
    /// The same name, in any case.
    Hostname,
}

impl AssetLinkRule {
    /// Every rule, strongest first.
    pub const ALL: [Self; 4] = [Self::Person, Self::MachineId, Self::Serial, Self::Hostname];

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::MachineId => "machine_id",
            Self::Serial => "serial",
            Self::Hostname => "hostname",
        }
    }
}

/// Who said what an asset says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetOrigin {
    /// A person, or a program through the API.
    Api,
    /// A file with comma-separated values.
    Csv,
    /// An inventory of the GLPI agent.
    Glpi,
    /// A CycloneDX document.
    CycloneDx,
    /// The agent of its host, where nobody had said anything.
    Agent,
}

impl AssetOrigin {
    /// Every origin.
    pub const ALL: [Self; 5] = [
        Self::Api,
        Self::Csv,
        Self::Glpi,
        Self::CycloneDx,
        Self::Agent,
    ];

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Csv => "csv",
            Self::Glpi => "glpi",
            Self::CycloneDx => "cyclonedx",
            Self::Agent => "agent",
        }
    }
}

/// What becomes of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change<T> {
    /// It stays.
    #[default]
    Keep,
    /// It goes.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T> Change<T> {
    /// `None` stays.
    #[must_use]
    pub fn keep_none(value: Option<T>) -> Self {
        value.map_or(Self::Keep, Self::Set)
    }

    /// What it sets.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}

/// What is said of an asset. Which asset it is about: `id`; else the one with the same inventory number; else machine id; else serial
/// number; else the same name and no differing stronger key. Several that fit are an error; none makes a new one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AssetWrite {
    /// Which, if known.
    pub id: Option<AssetId>,
    /// The etag that was read.
    pub if_match: Option<String>,
    /// The host it belongs to, as a person says; `Clear` takes it from its host.
    pub host: Change<HostId>,
    /// Where it stands; a linked asset stands where its host does.
    pub site: Change<SiteId>,
    /// The customer's own number.
    pub inventory_number: Change<String>,
    /// Name.
    pub hostname: Change<String>,
    /// `/etc/machine-id` (32 hexadecimal digits) or its salted hash (64).
    pub machine_id: Change<String>,
    /// Serial number; what vendors write when they have none (`To be filled by O.E.M.`) is no key.
    pub serial: Change<String>,
    /// Who built it.
    pub vendor: Change<String>,
    /// What it is.
    pub model: Change<String>,
    /// Who answers for it.
    pub owner: Change<String>,
    /// Department.
    pub department: Change<String>,
    /// Building, room, rack.
    pub location: Change<String>,
    /// Device tier.
    pub tier: Change<String>,
    /// How much depends on it.
    pub criticality: Change<Criticality>,
    /// All tags.
    pub tags: Change<BTreeSet<String>>,
    /// Last day of the warranty.
    pub warranty_end: Change<NaiveDate>,
    /// Last day of support or use.
    pub end_of_life: Change<NaiveDate>,
}

/// Writes one asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetUpsert {
    /// What is said.
    pub write: AssetWrite,
    /// Who says it.
    pub origin: AssetOrigin,
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetOutcome {
    /// There is a new asset.
    Created,
    /// It says something else now.
    Changed,
    /// It said so already.
    Unchanged,
}

/// A written asset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AssetUpserted {
    /// As it is now.
    pub asset: Asset,
    /// What was done.
    pub outcome: AssetOutcome,
}

/// One asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetGet {
    /// Which.
    pub id: AssetId,
}

/// Removes an asset. The labels of its host stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetDelete {
    /// Which.
    pub id: AssetId,
    /// The etag that was read.
    pub if_match: Option<String>,
}

/// How an asset is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetLinkState {
    /// To a host.
    Linked,
    /// To none.
    Unlinked,
    /// A person must decide.
    Ambiguous,
}

impl AssetLinkState {
    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Unlinked => "unlinked",
            Self::Ambiguous => "ambiguous",
        }
    }
}

/// Which assets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AssetFilter {
    /// Only of this organization.
    pub tenant: Option<TenantId>,
    /// Only these.
    pub ids: Vec<AssetId>,
    /// Only those of these hosts.
    pub hosts: Vec<HostId>,
    /// Only of these sites.
    pub sites: Vec<SiteId>,
    /// Only linked so.
    pub links: Vec<AssetLinkState>,
    /// Part of name, inventory number, serial number, vendor or model.
    pub text_contains: Option<String>,
    /// Only of these owners.
    pub owners: Vec<String>,
    /// Only of these departments.
    pub departments: Vec<String>,
    /// Only at these locations.
    pub locations: Vec<String>,
    /// Only of these tiers.
    pub tiers: Vec<String>,
    /// Only so critical.
    pub criticalities: Vec<Criticality>,
    /// Only with one of these tags.
    pub tags: Vec<String>,
    /// Only those whose warranty ends before this day.
    pub warranty_ends_before: Option<NaiveDate>,
    /// Only those whose life ends before this day.
    pub end_of_life_before: Option<NaiveDate>,
    /// Only those that changed at or after this.
    pub changed_since: Option<DateTime<Utc>>,
}

/// Assets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetList {
    /// Which part.
    pub page: PageRequest,
    /// Which assets.
    pub filter: AssetFilter,
}

/// Writes many assets, all or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetImport {
    /// What is said, at most [`MAX_ASSETS`].
    pub rows: Vec<AssetRow>,
    /// Who says it.
    pub origin: AssetOrigin,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// One asset of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetRow {
    /// Its line in the file, or its place in the list, from 1.
    pub line: u64,
    /// What is said.
    pub write: AssetWrite,
}

/// What an import did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetImported {
    /// New assets.
    pub created: u64,
    /// Assets that say something else.
    pub changed: u64,
    /// Assets that said so already.
    pub unchanged: u64,
    /// Of all of them, those that are ambiguous now.
    pub ambiguous: u64,
    /// What is wrong, at most [`MAX_LISTED_ERRORS`]; with one error nothing was written.
    pub errors: Vec<LineError>,
    /// How much is wrong in all.
    pub error_count: u64,
    /// The header's columns that say nothing of an asset and were passed over.
    pub ignored_columns: Vec<String>,
}

/// What is wrong with a line of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineError {
    /// Which line, from 1; the header is line 1 of a file.
    pub line: u64,
    /// Which column; empty: the whole line.
    pub column: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// Most bytes of a file.
pub const MAX_FILE_BYTES: usize = 8 * 1024 * 1024;

/// Writes the assets of a file of comma-separated values, all or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetFileImport {
    /// The file, at most [`MAX_FILE_BYTES`]. Its first line names the columns.
    pub text: String,
    /// Which field a column says, by the header's word; empty: none. Columns that are not named here are known by their usual words.
    pub mapping: BTreeMap<String, String>,
    /// The sites that a line may name: by name in lower case and by public id.
    pub sites: BTreeMap<String, SiteId>,
    /// Only say what would be done.
    pub dry_run: bool,
}
