//! `netpatch sbom import FILE`: what a machine without an agent consists of.

use crate::cli::Output;
use crate::cli::api::{Server, block_on};
use crate::cli::upload::{read, refused};
use serde_json::Value;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// The largest document, in MiB; the platform takes no more.
const MAX_FILE_MIB: u64 = 16;

/// A document and the machine that it is about.
#[derive(clap::Args)]
pub(crate) struct Import {
    /// The document, CycloneDX 1.4 to 1.6 in JSON; `-` reads standard input.
    file: PathBuf,
    /// The host that it is about, by name or id; it must be one without an agent.
    #[arg(long, value_name = "HOST", conflicts_with_all = ["hostname", "site"])]
    host: Option<String>,
    /// Name of the machine that it is about, if the document does not say it.
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// Id of the site where the machine stands, if it is new and the organization has several sites.
    #[arg(long, value_name = "ID")]
    site: Option<String>,
    /// Into which organization, by name or id; may be left out by who reaches only one.
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    server: Server,
    /// What to print.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

impl Import {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let bytes = read(&self.file, MAX_FILE_MIB, "")?;
        let (status, done) = block_on(self.send(bytes))?;
        if status != 200 {
            return Err(refused(status, &done).into());
        }
        let mut out = std::io::stdout().lock();
        match self.output {
            Output::Json => writeln!(out, "{done}")?,
            Output::Table => writeln!(out, "{}", sentence(&done))?,
        }
        for line in told(&done) {
            eprintln!("{line}");
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn send(&self, bytes: Vec<u8>) -> anyhow::Result<(u16, Value)> {
        let api = self.server.connect().await?;
        let mut parameters = vec![("dryRun", self.dry_run.to_string())];
        match &self.host {
            Some(named) => {
                let organization = match &self.organization {
                    Some(named) => Some(api.organization(named).await?),
                    None => None,
                };
                parameters.push(("hostId", api.host(named, organization.as_deref()).await?));
            }
            None => {
                let id = api.own_organization(self.organization.as_deref()).await?;
                parameters.push(("organizationId", id));
            }
        }
        let given = |value: &Option<String>| value.clone();
        parameters.extend(given(&self.hostname).map(|name| ("hostname", name)));
        parameters.extend(given(&self.site).map(|site| ("siteId", site)));
        let media = "application/vnd.cyclonedx+json";
        api.send("/import/cyclonedx", &parameters, media, bytes)
            .await
    }
}

fn sentence(done: &Value) -> String {
    let begin = match (&done["isDryRun"], &done["isChanged"]) {
        (_, Value::Bool(false)) => "unchanged",
        (Value::Bool(true), _) => "would take",
        _ => "took",
    };
    let host = match &done["isNewHost"] {
        Value::Bool(true) => "a new host",
        _ => "the host",
    };
    let findings = match (&done["findingsOpened"], &done["findingsClosed"]) {
        (Value::Number(opened), Value::Number(closed)) => {
            format!("; findings: {opened} opened, {closed} closed")
        }
        _ => String::new(),
    };
    format!(
        "{begin}: {} components of {host}{findings}",
        done["components"]
    )
}

/// What did not become a component, or not exactly.
fn told(done: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for one in done["skipped"].as_array().into_iter().flatten() {
        let examples: Vec<&str> = one["examples"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        lines.push(format!(
            "{} passed over, {}: {}",
            one["count"],
            one["reason"].as_str().unwrap_or_default(),
            examples.join(", ")
        ));
    }
    let without = done["withoutSource"].as_u64().unwrap_or_default();
    if without > 0 {
        lines.push(format!(
            "{without} packages do not name their source package: advisories that name the source miss them"
        ));
    }
    lines
}
