//! Newer versions of what is installed, with the vendor's errata from updateinfo.
//!
//! What an enabled module stream hides is no candidate, as for dnf itself. What `exclude` or a version lock hides is
//! reported as held.

use super::Dnf;
use super::plan::Item;
use crate::provider::{Installable, Located, UpdateState};
use netpatch_agent_core::Failure;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Updates {
    updates: Vec<Update>,
}

#[derive(Deserialize)]
struct Update {
    name: String,
    arch: String,
    version: String,
    installed: String,
    sha256: String,
    size: u64,
    repo: String,
    label: String,
    source: String,
    source_version: String,
    errata: Vec<String>,
    security: bool,
    group: String,
    state: String,
    requires: Vec<Item>,
}

#[derive(Deserialize)]
struct Sources {
    sources: Vec<Source>,
}

#[derive(Deserialize)]
struct Source {
    sha256: String,
    url: String,
}

impl Dnf {
    pub(super) async fn find_sources(&self) -> Vec<Located> {
        let answer: Result<Sources, Failure> = self.ask("sources", json!({})).await;
        let answer = answer.inspect_err(|failure| {
            tracing::warn!(%failure, "cannot say where payloads lie");
        });
        let located = |source: Source| {
            Some(Located {
                sha256: source.sha256.parse().ok()?,
                url: source.url,
            })
        };
        let sources = answer.map(|answer| answer.sources).unwrap_or_default();
        sources.into_iter().filter_map(located).collect()
    }

    pub(super) async fn find_installable(&self) -> Result<Vec<Installable>, Failure> {
        let answer: Updates = self.ask("installable", json!({})).await?;
        Ok(answer.updates.into_iter().filter_map(update).collect())
    }
}

/// `None` for a package whose index names no SHA-256: it could never be staged.
fn update(update: Update) -> Option<Installable> {
    let requires: Result<Vec<_>, _> = update.requires.iter().map(Item::planned).collect();
    Some(Installable {
        sha256: update.sha256.parse().ok()?,
        requires: requires.ok()?,
        state: match update.state.as_str() {
            "installable" => UpdateState::Installable,
            "held" => UpdateState::Held,
            _ => UpdateState::KeptBack,
        },
        name: update.name,
        arch: update.arch,
        installed_version: update.installed,
        candidate_version: update.version,
        source: update.source,
        source_version: update.source_version,
        size_bytes: update.size,
        suite: update.repo.clone(),
        origin: update.repo,
        label: update.label,
        errata: update.errata,
        security: update.security,
        phased_percent: 0,
        section: update.group,
    })
}
