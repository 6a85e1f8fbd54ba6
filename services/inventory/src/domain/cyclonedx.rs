//! CycloneDX documents (ECMA-424, versions 1.4 to 1.6, JSON): which packages a machine consists of.
//!
//! Entries are taken while the text is read, so that a document costs the memory of the components that it names, whatever else it
//! holds. Nested components count like others, to a depth of [`MAX_DEPTH`]. Not read: dependencies, services, vulnerabilities,
//! signatures. What the platform's own documents say beside the package URL (`netpatch:…`), and what two common generators say of
//! source packages, is read from the properties.

mod json;

use crate::domain::software::{Beside, OperatingSystem, Software, fact};
use json::{Properties, Top};
use netpatch_inventory_api::{AssetWrite, Change, SoftwareSkip};
use netpatch_types::{ComponentKey, Ecosystem};
use serde::de::DeserializeSeed as _;

/// Versions of the specification that are read.
pub const VERSIONS: [&str; 3] = ["1.4", "1.5", "1.6"];
/// Levels of components inside components.
pub const MAX_DEPTH: usize = 16;

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CycloneDxRefused {
    /// No JSON, or not of the form of the specification.
    #[error("no CycloneDX document in JSON: {0}")]
    Form(String),
    /// `bomFormat` is absent or says something else.
    #[error("no CycloneDX document: bomFormat is not CycloneDX")]
    Format,
    /// A version that is not read.
    #[error("CycloneDX {0:?} is not read; write the document as one of {known}", known = VERSIONS.join(", "))]
    Version(String),
    /// Several machines.
    #[error("the document is about {0} machines; export and import one host at a time")]
    Machines(usize),
}

/// What a document says.
#[derive(Debug, Default)]
pub struct Document {
    /// The machine that it is about, as far as it says.
    pub machine: AssetWrite,
    /// Its operating system.
    pub os: OperatingSystem,
    /// Its architecture; empty: not said.
    pub arch: String,
    /// Its components.
    pub components: Vec<ComponentKey>,
    /// What became none.
    pub told: Software,
}

/// Reads a document.
pub fn read(text: &str) -> Result<Document, CycloneDxRefused> {
    let mut reading = Reading::default();
    let mut json = serde_json::Deserializer::from_str(text);
    Top(&mut reading)
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(|error| CycloneDxRefused::Form(error.to_string()))?;
    if reading.format.as_deref() != Some("CycloneDX") {
        return Err(CycloneDxRefused::Format);
    }
    let version = reading.version.unwrap_or_default();
    if !VERSIONS.contains(&version.as_str()) {
        return Err(CycloneDxRefused::Version(
            version.chars().take(20).collect(),
        ));
    }
    let machine = match (reading.root, reading.devices) {
        (Some(root), 0) => root,
        (None, 0 | 1) => reading.device.unwrap_or_default(),
        (root, more) => {
            return Err(CycloneDxRefused::Machines(
                more + usize::from(root.is_some()),
            ));
        }
    };
    let (components, told) = reading.software.finish(&reading.os);
    let said = |text: String| Change::keep_none(Some(text).filter(|text| !text.trim().is_empty()));
    Ok(Document {
        arch: machine.arch,
        machine: AssetWrite {
            hostname: said(machine.name),
            serial: said(machine.serial),
            vendor: said(machine.vendor),
            model: said(machine.model),
            ..AssetWrite::default()
        },
        os: reading.os,
        components,
        told,
    })
}

/// A machine as a component of the type `device`.
#[derive(Debug, Default)]
struct Device {
    name: String,
    vendor: String,
    model: String,
    serial: String,
    arch: String,
}

#[derive(Debug, Default)]
struct Reading {
    format: Option<String>,
    version: Option<String>,
    /// What the whole document is about, if that is a machine.
    root: Option<Device>,
    /// Other machines: how many, and the first.
    devices: usize,
    device: Option<Device>,
    os: OperatingSystem,
    software: Software,
}

impl Reading {
    /// Takes a component that has been read to its end.
    fn take<E: serde::de::Error>(&mut self, part: Part, is_root: bool) -> Result<(), E> {
        let properties = part.properties;
        match part.kind.as_str() {
            "device" => {
                let device = Device {
                    name: part.name,
                    vendor: part.manufacturer,
                    model: properties.model,
                    serial: properties.serial,
                    arch: properties.arch,
                };
                if is_root {
                    self.root = Some(device);
                } else {
                    self.devices += 1;
                    self.device.get_or_insert(device);
                }
                return Ok(());
            }
            "operating-system" => {
                if self.os.id.is_empty() {
                    self.os = OperatingSystem {
                        id: fact(&part.name).to_lowercase(),
                        version: fact(&part.version),
                        name: fact(&part.description),
                    };
                }
                return Ok(());
            }
            _ => {}
        }
        if part.scope == "excluded" {
            self.software.skip(SoftwareSkip::Excluded, &part.name);
            return Ok(());
        }
        if part.purl.is_empty() {
            // What the whole document is about need not be a package.
            if !is_root {
                self.software.skip(SoftwareSkip::NoPurl, &part.name);
            }
            return Ok(());
        }
        let beside = Beside {
            ecosystem: Ecosystem::from_word(&properties.ecosystem),
            name: part.name,
            source: properties.source,
            source_version: properties.source_version,
            image: properties.image,
        };
        self.software.take(&part.purl, &beside).map_err(E::custom)
    }
}

/// What is read of one component.
#[derive(Default)]
struct Part {
    kind: String,
    name: String,
    version: String,
    description: String,
    manufacturer: String,
    purl: String,
    scope: String,
    properties: Properties,
}

#[cfg(test)]
mod tests;
