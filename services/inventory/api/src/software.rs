//! Software of machines as documents tell it: CycloneDX, and what a GLPI agent lists.
//!
//! A document makes a host where there is none, and its packages become that host's manifest: it is matched like any other. A host with
//! an agent takes no document: what its agent reports is exact and newer.

use crate::AssetWrite;
use netpatch_types::{AssetId, HostId, SiteId};
use serde::{Deserialize, Serialize};

/// Most bytes of a document.
pub const MAX_DOCUMENT_BYTES: usize = 16 * 1024 * 1024;
/// Most names that are given as examples of what was passed over, for each reason.
pub const MAX_EXAMPLES: usize = 10;

/// Who says what a host consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoftwareOrigin {
    /// Its agent.
    #[default]
    Agent,
    /// A CycloneDX document.
    #[serde(rename = "cyclonedx")]
    CycloneDx,
    /// A GLPI agent.
    Glpi,
}

impl SoftwareOrigin {
    /// Every origin.
    pub const ALL: [Self; 3] = [Self::Agent, Self::CycloneDx, Self::Glpi];

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::CycloneDx => "cyclonedx",
            Self::Glpi => "glpi",
        }
    }
}

/// Takes in what a document says of one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoftwareImport {
    /// The host; `None`: the machine that `machine` and the document name, found as assets are found.
    pub host: Option<HostId>,
    /// What is said of the machine besides its software; outweighs the document.
    pub machine: AssetWrite,
    /// Where the machine stands if it is not known yet.
    pub site: Option<SiteId>,
    /// The document.
    pub document: SoftwareDocument,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What says what a machine consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoftwareDocument {
    /// CycloneDX 1.4 to 1.6 in JSON, at most [`MAX_DOCUMENT_BYTES`].
    #[serde(rename = "cyclonedx")]
    CycloneDx(String),
    /// A GLPI agent's inventory.
    Glpi(GlpiSoftware),
}

impl SoftwareDocument {
    /// What a host is of that is known by this document only.
    #[must_use]
    pub fn origin(&self) -> SoftwareOrigin {
        match self {
            Self::CycloneDx(_) => SoftwareOrigin::CycloneDx,
            Self::Glpi(_) => SoftwareOrigin::Glpi,
        }
    }
}

/// The parts of a GLPI agent's inventory that say what is installed (`operatingsystem`, `softwares`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GlpiSoftware {
    /// `Debian GNU/Linux`.
    pub os_name: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub os_full_name: String,
    /// `12.11`.
    pub os_version: String,
    /// `x86_64`.
    pub os_arch: String,
    /// What is installed.
    pub programs: Vec<GlpiProgram>,
}

/// A row of `softwares`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GlpiProgram {
    /// `adduser`.
    pub name: String,
    /// `3.134`.
    pub version: String,
    /// `all`.
    pub arch: String,
    /// Which package manager said it: `deb`, `rpm`, `snap`, `registry`, …
    pub from: String,
}

/// Why something that a document lists became no component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoftwareSkip {
    /// It has no package URL.
    NoPurl,
    /// What stands there is no package URL.
    BadPurl,
    /// Its package URL is of a kind without a version order.
    UnknownKind,
    /// It has no version.
    NoVersion,
    /// A package of an operating system, of which neither its package URL nor the document says the release.
    NoRelease,
    /// The document says that it is not part of the machine.
    Excluded,
    /// A name or version that no package has.
    BadField,
    /// A program of which nobody can say for certain which package it is.
    Unmapped,
}

impl SoftwareSkip {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::NoPurl,
        Self::BadPurl,
        Self::UnknownKind,
        Self::NoVersion,
        Self::NoRelease,
        Self::Excluded,
        Self::BadField,
        Self::Unmapped,
    ];

    /// For people.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::NoPurl => "no package URL",
            Self::BadPurl => "a package URL that cannot be read",
            Self::UnknownKind => "a package URL of a kind that has no version order here",
            Self::NoVersion => "no version",
            Self::NoRelease => {
                "the release of the operating system is named neither by the package URL nor by the document"
            }
            Self::Excluded => "the document says that it is not part of the machine",
            Self::BadField => "a name, version or architecture that no package has",
            Self::Unmapped => "nobody can say for certain which package it is",
        }
    }
}

/// What was passed over for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoftwareSkipped {
    /// Why.
    pub reason: SoftwareSkip,
    /// How many.
    pub count: u64,
    /// Some of their names, at most [`MAX_EXAMPLES`].
    pub examples: Vec<String>,
}

/// What an import did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SoftwareImported {
    /// The host; `None` when there is none and none was made.
    pub host: Option<HostId>,
    /// The asset that the machine was found by.
    pub asset: Option<AssetId>,
    /// Why the software was left alone; empty: it was taken.
    pub left: String,
    /// Whether the host was made.
    pub is_new_host: bool,
    /// Whether the host consists of something else now.
    pub is_changed: bool,
    /// Components that were taken.
    pub components: u64,
    /// Further entries that say the same.
    pub duplicates: u64,
    /// Of the components, packages of which the source package is not named: advisories that name the source miss them.
    pub without_source: u64,
    /// Of the components, rpm packages of which the epoch is not known: one may be taken for older than it is.
    pub without_epoch: u64,
    /// What became no component.
    pub skipped: Vec<SoftwareSkipped>,
    /// Findings opened.
    pub opened: u64,
    /// Findings closed.
    pub closed: u64,
    /// Whether the two numbers are those of the evaluation; false: it comes yet.
    pub evaluated: bool,
}
