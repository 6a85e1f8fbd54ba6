//! `netpatch finding list|explain`: what a host is exposed to, and why.

mod explain;
mod list;

use std::process::ExitCode;

/// What a finding is asked for: enough to show it and to decide it again offline.
const FINDING: &str = "id hostname applicability firstSeenAt resolvedAt remediationDeadline isOverdue
    deadline { dueAt reason baselineName standard requiresForensicTriage isOverdue }
    host { id site { name } organization { id name } }
    component { purl name version arch source sourceVersion }
    advisory { name cves vendorRefs severity summary cvssScore cvssVector epss isKnownExploited isRansomware publishedAt url }
    patch { id name fixedVersion } offer { version origin suite label }
    evidence { feed record recordDigest rule installedVersion fixedVersion comparator }
    risk { score missing terms { name input points } }";

/// Ask what hosts are exposed to, and why.
#[derive(clap::Subcommand)]
pub(crate) enum Finding {
    /// List findings, worst first, one by one or counted in groups.
    List(list::List),
    /// Show a finding's evidence and decide it again from that evidence, with `--pack` from the advisory itself.
    Explain(explain::Explain),
}

impl Finding {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(list) => list.run(),
            Self::Explain(explain) => explain.run(),
        }
    }
}

/// A text of an answer; `-` when it is absent.
fn text<'a>(value: &'a serde_json::Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(serde_json::Value::as_str)
        .filter(|text| !text.is_empty())
        .unwrap_or("-")
}

/// The day of a date and time.
fn day<'a>(value: &'a serde_json::Value, pointer: &str) -> &'a str {
    let text = text(value, pointer);
    text.split_once('T').map_or(text, |(day, _)| day)
}
