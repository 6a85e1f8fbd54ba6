//! Microsoft's monthly security updates (MSRC, CVRF 1.1 XML): CVE, KB, fixed build.
//!
//! A CVE affects a product below the build that a KB brings; the product is named as Microsoft names it (`Windows Server 2022`,
//! `Windows 11 Version 24H2 for x64-based Systems`, see [`product`]) and its version is the whole build with the UBR
//! (`10.0.20348.4893`). Updates are cumulative, so a higher build has every earlier fix and comparing builds is comparing all that was
//! superseded. A hotpatch has a build of its own below the month's, and is named as fixed by exactly that build. For updates that
//! bring no build there is [`supersede`].
//!
//! The reader is a stream without entities of its own, so nothing expands.

pub mod product;
pub mod supersede;

use crate::domain::advisory::AdvisoryRecord;
use crate::domain::affected::{Affected, End, Prereleases, Range, Release, Status};
use crate::domain::cve::is_cve;
use crate::domain::enrich::Enrichment;
use crate::domain::lines::Parsed;
use crate::domain::merge::{enriched, first_fixes};
use crate::domain::osv::{OsvRecord, cut};
use crate::domain::ssvc::time;
use netpatch_types::version::Version;
use netpatch_types::{Ecosystem, Sha256};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::collections::{BTreeMap, HashMap};

/// Deepest nesting of a document. Real ones have 7.
const MAX_DEPTH: usize = 32;
/// Most products, and most vulnerabilities, of a document.
const MAX_ITEMS: usize = 50_000;

/// Where Microsoft's product names count.
#[must_use]
pub fn release() -> Release {
    Release::os(Ecosystem::Windows, "microsoft", "")
}

/// What a KB brings to some products.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Remedy {
    is_fix: bool,
    is_hotpatch: bool,
    kb: String,
    supersedes: String,
    build: String,
    products: Vec<String>,
}

#[derive(Default)]
struct Vulnerability {
    start: usize,
    title: String,
    cve: String,
    date: String,
    vectors: Vec<String>,
    remedies: Vec<Remedy>,
}

/// What one document says.
#[derive(Debug, Default)]
pub struct Document {
    /// A record a CVE.
    pub records: Parsed<OsvRecord>,
    /// (KB, KB that it supersedes), without the letters.
    pub superseded: Vec<(u32, u32)>,
}

/// Reads one document. An error when the whole is no CVRF document.
pub fn read_document(text: &str) -> Result<Document, String> {
    let mut reader = Reader::from_str(text);
    let mut document = Document::default();
    let mut products: HashMap<String, String> = HashMap::new();
    let mut path: Vec<Vec<u8>> = Vec::new();
    let (mut said, mut product) = (String::new(), String::new());
    let mut current: Option<Vulnerability> = None;
    let mut is_cvrf = false;
    loop {
        let at = position(&reader);
        let event = reader
            .read_event()
            .map_err(|error| format!("not a CVRF document: {error}"))?;
        match event {
            Event::Start(tag) => {
                said.clear();
                let name = tag.local_name().as_ref().to_vec();
                is_cvrf |= name == b"cvrfdoc";
                match name.as_slice() {
                    b"FullProductName" => product = attribute(&tag, b"ProductID"),
                    b"Vulnerability" => {
                        current = Some(Vulnerability {
                            start: at,
                            ..Vulnerability::default()
                        });
                    }
                    b"Remediation" => {
                        if let Some(open) = &mut current {
                            open.remedies.push(Remedy {
                                is_fix: attribute(&tag, b"Type") == "Vendor Fix",
                                ..Remedy::default()
                            });
                        }
                    }
                    _ => {}
                }
                path.push(name);
                if path.len() > MAX_DEPTH {
                    return Err(format!("nested deeper than {MAX_DEPTH}"));
                }
            }
            Event::Text(words) => said.push_str(&cut(&words.decode().unwrap_or_default())),
            Event::CData(words) => said.push_str(&cut(&words.decode().unwrap_or_default())),
            Event::GeneralRef(entity) => said.extend(character(&entity)),
            Event::End(_) => {
                let (Some(name), above) = (path.pop(), path.last()) else {
                    return Err("an end without a beginning".to_owned());
                };
                let said = std::mem::take(&mut said);
                match (name.as_slice(), &mut current) {
                    (b"FullProductName", _) if products.len() < MAX_ITEMS => {
                        products
                            .entry(std::mem::take(&mut product))
                            .or_insert_with(|| said.trim().to_owned());
                    }
                    (b"Vulnerability", open) => {
                        let Some(whole) = open.take() else { continue };
                        let bytes = text.as_bytes().get(whole.start..position(&reader));
                        let digest = Sha256::of(bytes.unwrap_or_default());
                        document.take(whole, &products, digest);
                        if document.records.records.len() > MAX_ITEMS {
                            return Err(format!("more than {MAX_ITEMS} vulnerabilities"));
                        }
                    }
                    (tag, Some(open)) => {
                        open.take(tag, above.map(Vec::as_slice), said.trim());
                    }
                    _ => {}
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if is_cvrf && path.is_empty() {
        Ok(document)
    } else {
        Err("not a CVRF document, or torn off".to_owned())
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

fn attribute(tag: &BytesStart<'_>, name: &[u8]) -> String {
    let found = tag
        .attributes()
        .flatten()
        .find(|one| one.key.as_ref() == name);
    found.map_or_else(String::new, |one| cut(&String::from_utf8_lossy(&one.value)))
}

/// `&amp;`, `&#233;`; none of a document's own.
fn character(entity: &quick_xml::events::BytesRef<'_>) -> Option<char> {
    if let Ok(Some(character)) = entity.resolve_char_ref() {
        return Some(character);
    }
    match &*entity.decode().ok()? {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

impl Vulnerability {
    /// Takes the text of a tag.
    fn take(&mut self, tag: &[u8], above: Option<&[u8]>, said: &str) {
        let said = || said.to_owned();
        match (tag, above) {
            (b"Title", Some(b"Vulnerability")) => self.title = said(),
            (b"CVE", Some(b"Vulnerability")) => self.cve = said(),
            (b"Vector", Some(b"ScoreSet")) if self.vectors.len() < MAX_ITEMS => {
                self.vectors.push(said());
            }
            (b"Date", Some(b"Revision")) if self.date.is_empty() => self.date = said(),
            (tag, Some(b"Remediation")) => {
                let Some(remedy) = self.remedies.last_mut() else {
                    return;
                };
                match tag {
                    b"Description" => remedy.kb = said(),
                    b"Supercedence" => remedy.supersedes = said(),
                    b"FixedBuild" => remedy.build = said(),
                    b"SubType" => remedy.is_hotpatch = said().contains("Hotpatch"),
                    b"ProductID" if remedy.products.len() < MAX_ITEMS => {
                        remedy.products.push(said());
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

impl Document {
    fn take(&mut self, whole: Vulnerability, products: &HashMap<String, String>, digest: Sha256) {
        if !is_cve(&whole.cve) {
            // Advisories (ADV…) and republished notices have no CVE.
            return;
        }
        let mut affected: BTreeMap<&str, (Vec<&Remedy>, Vec<&Remedy>)> = BTreeMap::new();
        let mut kbs = Vec::new();
        for remedy in whole.remedies.iter().filter(|remedy| remedy.is_fix) {
            if let Some(kb) = supersede::number(&remedy.kb) {
                kbs.push(format!("KB{kb}"));
                let before = remedy.supersedes.split([';', ',', ' ']);
                self.superseded
                    .extend(before.filter_map(supersede::number).map(|old| (kb, old)));
            }
            if Version::parse(Ecosystem::Windows, &remedy.build).is_err() {
                continue;
            }
            for name in remedy.products.iter().filter_map(|id| products.get(id)) {
                let builds = affected.entry(name.as_str()).or_default();
                if remedy.is_hotpatch {
                    builds.1.push(remedy);
                } else {
                    builds.0.push(remedy);
                }
            }
        }
        let affected: Vec<Affected> = affected
            .into_iter()
            .flat_map(|(name, (updates, hotpatches))| said_of(name, &updates, &hotpatches))
            .collect();
        if affected.is_empty() {
            return;
        }
        kbs.sort();
        kbs.dedup();
        let mut vectors = whole.vectors;
        vectors.sort();
        vectors.dedup();
        self.records.records.push(OsvRecord {
            digest,
            published_at: time(&whole.date),
            cves: vec![whole.cve.clone()],
            summary: cut(&whole.title),
            cvss_vectors: vectors,
            url: Some(format!(
                "https://msrc.microsoft.com/update-guide/vulnerability/{}",
                whole.cve
            )),
            vendor_refs: kbs,
            affected,
            ..OsvRecord::new(whole.cve)
        });
    }
}

/// Below the lowest build of an update; a hotpatch is fixed by its own build.
fn said_of(name: &str, updates: &[&Remedy], hotpatches: &[&Remedy]) -> Vec<Affected> {
    let first = |all: &[&Remedy]| -> Option<(String, String)> {
        let parsed = all.iter().filter_map(|one| {
            let version = Version::parse(Ecosystem::Windows, &one.build).ok()?;
            Some((version, one))
        });
        let lowest = parsed.min_by(|left, right| {
            let order = left.0.partial_cmp(&right.0);
            order.unwrap_or(std::cmp::Ordering::Equal)
        });
        lowest.map(|(_, one)| (one.build.clone(), format!("KB{}", one.kb)))
    };
    // Where there is a hotpatch only, it is the update.
    let (main, exact) = if updates.is_empty() {
        (first(hotpatches), Vec::new())
    } else {
        let builds = hotpatches.iter().map(|one| one.build.clone()).collect();
        (first(updates), builds)
    };
    let Some((fixed, kb)) = main else {
        return Vec::new();
    };
    let mut all = vec![Affected {
        note: kb.clone(),
        ..Affected::below(release(), name, fixed.clone())
    }];
    let after = Range {
        introduced: Some(fixed),
        end: End::Open,
        prereleases: Prereleases::Ordered,
    };
    all.push(Affected {
        release: release(),
        name: name.to_owned(),
        status: Status::Fixed,
        ranges: vec![after],
        versions: exact,
        note: kb,
    });
    all
}

/// One advisory a CVE of all documents.
#[must_use]
pub fn gather(feed: &str, records: Vec<OsvRecord>, enrichment: &Enrichment) -> Vec<AdvisoryRecord> {
    let mut all: BTreeMap<String, OsvRecord> = BTreeMap::new();
    for record in records {
        match all.get_mut(&record.id) {
            Some(known) => {
                known.affected.extend(record.affected);
                known.vendor_refs.extend(record.vendor_refs);
                known.vendor_refs.sort();
                known.vendor_refs.dedup();
            }
            None => {
                all.insert(record.id.clone(), record);
            }
        }
    }
    all.into_iter()
        .map(|(name, mut record)| {
            let affected = first_fixes(std::mem::take(&mut record.affected));
            enriched(feed, name, record, enrichment, affected)
        })
        .collect()
}
