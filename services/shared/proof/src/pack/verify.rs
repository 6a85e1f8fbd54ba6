//! The verification of a pack: every proof, every signature, every binding. Reads only the pack's bytes.

use super::{
    ApprovalFacts, DocumentKind, EvidencePack, HaltFacts, KeyRole, MAX_ITEMS, MAX_PACK_BYTES,
    OrderFacts, PackBody, PackDocument, Report, RunResultFacts, SCHEMA, SEAL_TYPE,
};
use crate::checkpoint::ledger_origin;
use crate::dsse::pre_authentication_encoding;
use crate::encoding::to_canonical_json;
use crate::leaf::LedgerLeaf;
use crate::merkle::{leaf_hash, verify_inclusion};
use crate::{Checkpoint, KeyId, PublicKey};
use netpatch_types::{HostId, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What the auditor knows from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The organization's ledger key, by its id. Without it the pack proves only that it agrees with itself.
    pub ledger_key: Option<KeyId>,
}

/// Checks the bytes of a pack. Never panics, whatever the bytes are.
#[must_use]
pub fn verify(bytes: &[u8], options: &Options) -> Report {
    let mut report = Report::default();
    let (pack, body_bytes) = match read(bytes) {
        Ok(read) => read,
        Err(detail) => {
            report.add("format", Err(detail));
            return report;
        }
    };
    report.add("format", Ok(format!("{SCHEMA}, {} bytes", bytes.len())));
    let body = &pack.body;
    let Some(ledger) = ledger_key(&mut report, &pack, options) else {
        return report;
    };
    report.add("seal", check_seal(&pack, &body_bytes, ledger));
    let checkpoint = Checkpoint::open(&body.checkpoint, &ledger_origin(body.organization), ledger);
    match &checkpoint {
        Ok(found) => report.add(
            "checkpoint",
            Ok(format!("{} entries, root {}", found.size, found.root)),
        ),
        Err(error) => report.add("checkpoint", Err(error.to_string())),
    }
    let leaves = check_entries(&mut report, body, checkpoint.ok().as_ref());
    check_documents(&mut report, body, &leaves);
    report
}

/// Size, shape, limits, canonical form.
fn read(bytes: &[u8]) -> Result<(EvidencePack, Vec<u8>), String> {
    if bytes.len() > MAX_PACK_BYTES {
        return Err(format!(
            "{} bytes are more than {MAX_PACK_BYTES}",
            bytes.len()
        ));
    }
    let pack: EvidencePack =
        serde_json::from_slice(bytes).map_err(|error| format!("not an evidence pack: {error}"))?;
    let body = &pack.body;
    if body.schema != SCHEMA {
        return Err(format!(
            "the schema is {:?}, this program knows {SCHEMA:?}",
            body.schema
        ));
    }
    for (what, count) in [
        ("keys", body.keys.len()),
        ("entries", body.entries.len()),
        ("documents", body.documents.len()),
    ] {
        if count > MAX_ITEMS {
            return Err(format!("{count} {what} are more than {MAX_ITEMS}"));
        }
    }
    let written = pack.to_bytes().map_err(|error| error.to_string())?;
    if written != bytes {
        return Err("not in canonical form: the bytes were changed after the pack was made".into());
    }
    let body = to_canonical_json(body).map_err(|error| error.to_string())?;
    Ok((pack, body))
}

/// The one ledger key, compared with what the auditor knows.
fn ledger_key(report: &mut Report, pack: &EvidencePack, options: &Options) -> Option<PublicKey> {
    let keys: Vec<PublicKey> = pack
        .body
        .keys
        .iter()
        .filter(|key| key.role == KeyRole::Ledger)
        .map(|key| key.public_key)
        .collect();
    let [key] = keys[..] else {
        report.add(
            "ledger.key",
            Err(format!(
                "the pack names {} ledger keys, it must name one",
                keys.len()
            )),
        );
        return None;
    };
    report.add(
        "ledger.key",
        match options.ledger_key {
            None => Ok(format!(
                "{} (not compared: give the key id that you know)",
                key.id()
            )),
            Some(known) if known == key.id() => Ok(format!("{known}, as expected")),
            Some(known) => Err(format!(
                "the pack is signed by {}, not by {known}",
                key.id()
            )),
        },
    );
    Some(key)
}

fn check_seal(pack: &EvidencePack, body: &[u8], ledger: PublicKey) -> Result<String, String> {
    if pack.seal.digest != Sha256::of(body) {
        return Err("the digest is of another body".into());
    }
    if pack.seal.key_id != ledger.id() {
        return Err("the seal names another key".into());
    }
    if !ledger.verify(
        &pre_authentication_encoding(SEAL_TYPE, body),
        &pack.seal.signature,
    ) {
        return Err("the signature over the pack does not hold".into());
    }
    Ok(format!("sha256 {}", pack.seal.digest))
}

/// Every leaf readable, this organization's, at its place, under the checkpoint. Returns the leaves.
fn check_entries(
    report: &mut Report,
    body: &PackBody,
    checkpoint: Option<&Checkpoint>,
) -> BTreeMap<u64, LedgerLeaf> {
    let mut leaves = BTreeMap::new();
    let mut results = Vec::with_capacity(body.entries.len());
    for entry in &body.entries {
        let sequence = entry.sequence;
        results.push(match LedgerLeaf::parse(&entry.leaf) {
            Err(error) => Err(format!("entry {sequence}: {error}")),
            Ok(leaf) if leaf.tenant != body.organization => {
                Err(format!("entry {sequence} is another organization's"))
            }
            Ok(leaf) if leaf.sequence != sequence => Err(format!(
                "entry {sequence} says that it is {}",
                leaf.sequence
            )),
            Ok(leaf) => match leaves.insert(sequence, leaf) {
                Some(_) => Err(format!("entry {sequence} stands there twice")),
                None => Ok(()),
            },
        });
    }
    report.add_all("entries.leaf", "entries readable and in place", results);
    let included = body.entries.iter().map(|entry| {
        let checkpoint = checkpoint.ok_or("no checkpoint to check against")?;
        verify_inclusion(
            &leaf_hash(&entry.leaf),
            entry.sequence,
            checkpoint.size,
            &entry.proof,
            &checkpoint.root,
        )
        .map_err(|error| format!("entry {}: {error}", entry.sequence))
    });
    report.add_all(
        "entries.inclusion",
        "entries included under the checkpoint",
        included,
    );
    leaves
}

/// Keys by what they may sign.
struct Keys {
    director: Vec<PublicKey>,
    approval: Vec<PublicKey>,
    hosts: BTreeMap<HostId, Vec<PublicKey>>,
}

impl Keys {
    fn of(body: &PackBody) -> Self {
        let role = |role| {
            body.keys
                .iter()
                .filter(|key| key.role == role)
                .map(|key| key.public_key)
                .collect()
        };
        let mut hosts: BTreeMap<HostId, Vec<PublicKey>> = BTreeMap::new();
        for key in body.keys.iter().filter(|key| key.role == KeyRole::Host) {
            if let Some(host) = key.host {
                hosts.entry(host).or_default().push(key.public_key);
            }
        }
        Self {
            director: role(KeyRole::Director),
            approval: role(KeyRole::Approval),
            hosts,
        }
    }
}

fn check_documents(report: &mut Report, body: &PackBody, leaves: &BTreeMap<u64, LedgerLeaf>) {
    let keys = Keys::of(body);
    let signed = body
        .documents
        .iter()
        .map(|document| named(document, check_signature(document, &keys)));
    report.add_all(
        "documents.signature",
        "documents signed by the right key",
        signed,
    );
    let logged = body
        .documents
        .iter()
        .map(|document| named(document, check_logged(document, leaves)));
    report.add_all(
        "documents.logged",
        "documents named by their ledger entry",
        logged,
    );
    let known = Known::of(body);
    let bound = body
        .documents
        .iter()
        .map(|document| named(document, check_binding(document, body, &known)));
    report.add_all(
        "documents.binding",
        "documents bound to deployment, order and approvals",
        bound,
    );
    let covered = leaves
        .values()
        .filter(|leaf| leaf.digest.is_some())
        .map(|leaf| {
            let present = body
                .documents
                .iter()
                .any(|document| document.entry == leaf.sequence);
            if present {
                Ok(())
            } else {
                Err(format!(
                    "entry {} names a document that the pack lacks",
                    leaf.sequence
                ))
            }
        });
    report.add_all(
        "entries.documents",
        "entries with their document",
        covered.collect::<Vec<_>>(),
    );
}

fn named(document: &PackDocument, result: Result<(), String>) -> Result<(), String> {
    result.map_err(|detail| {
        format!(
            "{} of entry {}: {detail}",
            document.kind.word(),
            document.entry
        )
    })
}

fn check_signature(document: &PackDocument, keys: &Keys) -> Result<(), String> {
    let nobody = Vec::new();
    let allowed = match document.kind {
        DocumentKind::Approval => &keys.approval,
        DocumentKind::Order | DocumentKind::Halt => &keys.director,
        DocumentKind::RunResult => {
            let facts = RunResultFacts::read(&document.envelope.payload)
                .map_err(|error| error.to_string())?;
            let allowed = keys.hosts.get(&facts.host).unwrap_or(&nobody);
            if !allowed.contains(&facts.public_key) {
                return Err(format!(
                    "the key that it names is not listed for host {}",
                    facts.host
                ));
            }
            allowed
        }
    };
    document
        .envelope
        .verify(document.kind.payload_type(), allowed, 1)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

fn check_logged(document: &PackDocument, leaves: &BTreeMap<u64, LedgerLeaf>) -> Result<(), String> {
    let leaf = leaves
        .get(&document.entry)
        .ok_or("the pack lacks the entry")?;
    if leaf.action != document.kind.action() {
        return Err(format!("the entry is about {:?}", leaf.action));
    }
    if leaf.digest != Some(document.envelope.digest()) {
        return Err("the entry names another document".into());
    }
    Ok(())
}

/// Digests of the documents of the pack.
struct Known {
    orders: BTreeSet<Sha256>,
    approvals: BTreeSet<Sha256>,
}

impl Known {
    fn of(body: &PackBody) -> Self {
        let digests = |kind| {
            let documents = body
                .documents
                .iter()
                .filter(move |document| document.kind == kind);
            documents
                .map(|document| document.envelope.digest())
                .collect()
        };
        Self {
            orders: digests(DocumentKind::Order),
            approvals: digests(DocumentKind::Approval),
        }
    }
}

fn check_binding(document: &PackDocument, body: &PackBody, known: &Known) -> Result<(), String> {
    let payload = &document.envelope.payload;
    let (organization, deployment) = match document.kind {
        DocumentKind::Approval => {
            let facts = ApprovalFacts::read(payload).map_err(|error| error.to_string())?;
            (facts.organization, body.subject.deployment)
        }
        DocumentKind::Order => {
            let facts = OrderFacts::read(payload).map_err(|error| error.to_string())?;
            if !facts
                .approvals
                .iter()
                .all(|approval| known.approvals.contains(&approval.digest()))
            {
                return Err("it rests on an approval that the pack lacks".into());
            }
            (facts.organization, facts.deployment)
        }
        DocumentKind::Halt => {
            let facts = HaltFacts::read(payload).map_err(|error| error.to_string())?;
            (facts.organization, facts.deployment)
        }
        DocumentKind::RunResult => {
            let facts = RunResultFacts::read(payload).map_err(|error| error.to_string())?;
            if !known.orders.contains(&facts.order) {
                return Err(format!(
                    "it obeyed an order that the pack lacks, {}",
                    facts.order
                ));
            }
            (facts.organization, facts.deployment)
        }
    };
    if organization != body.organization {
        return Err("it is another organization's".into());
    }
    if deployment != body.subject.deployment {
        return Err("it is of another deployment".into());
    }
    Ok(())
}
