//! `netpatch finding explain`.

use super::{FINDING, day, text};
use crate::cli::Output;
use crate::cli::api::{Refused, Server, block_on};
use anyhow::{Context as _, bail};
use netpatch_inventory::domain::explain::{Claim, Outcome, Step, examine};
use netpatch_inventory::pack::explain::examine_with;
use netpatch_inventory::pack::offline::Offline;
use netpatch_types::ComponentKey;
use netpatch_types::purl::Purl;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Largest evidence that is read.
const MAX_EVIDENCE_BYTES: u64 = 1 << 20;

/// Show a finding's evidence and decide it again from that evidence, with `--pack` from the advisory itself.
///
/// With --evidence nothing is asked of a platform: the whole answer comes from the file and the pack.
///
/// Exit codes: 0 the finding holds, 1 it does not, 3 a step could not be decided here.
#[derive(clap::Args)]
pub(crate) struct Explain {
    /// The finding's id.
    #[arg(required_unless_present = "evidence", conflicts_with = "evidence")]
    id: Option<String>,
    /// The finding as `finding explain -o json` or a line of `finding list -o ndjson` gave it; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// A feed pack that has the advisory.
    #[arg(long, value_name = "DIR")]
    pack: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
    /// What to print.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

impl Explain {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let finding = match (&self.id, &self.evidence) {
            (Some(id), _) => block_on(self.ask(id))?,
            (None, Some(file)) => read(file)?,
            (None, None) => bail!("name a finding or --evidence"),
        };
        let claim = claim(&finding)?;
        let steps = match &self.pack {
            Some(dir) => examine_with(&Offline::open(dir, true)?, &claim)?,
            None => examine(&claim),
        };
        match self.output {
            Output::Json => {
                let steps: Vec<Value> = steps.iter().map(step).collect();
                let all = json!({"version": 1, "finding": finding, "steps": steps});
                writeln!(std::io::stdout().lock(), "{all}")?;
            }
            Output::Table => show(&finding, &steps, self.pack.is_some())?,
        }
        Ok(verdict(&steps))
    }

    async fn ask(&self, id: &str) -> anyhow::Result<Value> {
        let api = self.server.connect().await?;
        let document =
            format!("query($id: ID!) {{ node(id: $id) {{ ... on Finding {{ {FINDING} }} }} }}");
        let mut data = api.ask(&document, json!({"id": id})).await?;
        let finding = data["node"].take();
        if finding["id"].is_string() {
            Ok(finding)
        } else {
            Err(Refused::new(5, format!("no finding {id} within your reach")).into())
        }
    }
}

fn read(file: &Path) -> anyhow::Result<Value> {
    let source: Box<dyn std::io::Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(file).with_context(|| format!("open {}", file.display()))?)
    };
    let mut bytes = Vec::new();
    source
        .take(MAX_EVIDENCE_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("read {}", file.display()))?;
    if bytes.len() as u64 > MAX_EVIDENCE_BYTES {
        bail!(
            "{} has more than 1 MiB: it is not one finding",
            file.display()
        );
    }
    let mut value: Value = serde_json::from_slice(&bytes).with_context(|| {
        format!(
            "{} is not one finding in JSON (of `finding explain -o json` or a line of `finding list -o ndjson`)",
            file.display()
        )
    })?;
    Ok(match value.get_mut("finding") {
        Some(finding) => finding.take(),
        None => value,
    })
}

fn claim(finding: &Value) -> anyhow::Result<Claim> {
    let member = |pointer: &str| -> anyhow::Result<&str> {
        finding
            .pointer(pointer)
            .and_then(Value::as_str)
            .with_context(|| {
                format!(
                    "the finding has no text {}",
                    &pointer[1..].replace('/', ".")
                )
            })
    };
    let purl: Purl = member("/component/purl")?.parse()?;
    let digest = member("/evidence/recordDigest")?;
    let mut component = ComponentKey::from_purl(&purl)?;
    // A package URL need not name what it was built from; the finding does.
    if let (Ok(source), Ok(version)) = (
        member("/component/source"),
        member("/component/sourceVersion"),
    ) {
        source.clone_into(&mut component.source);
        version.clone_into(&mut component.source_version);
    }
    Ok(Claim {
        component,
        advisory: member("/advisory/name")?.to_owned(),
        feed: member("/evidence/feed")?.to_owned(),
        record: member("/evidence/record")?.to_owned(),
        record_digest: digest
            .parse()
            .ok()
            .with_context(|| format!("evidence.recordDigest {digest} is no SHA-256"))?,
        rule: member("/evidence/rule")?.to_owned(),
        installed_version: member("/evidence/installedVersion")?.to_owned(),
        fixed_version: member("/evidence/fixedVersion")?.to_owned(),
    })
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Holds => "holds",
        Outcome::Fails => "FAILS",
        Outcome::Unknown => "unknown",
    }
}

fn step(step: &Step) -> Value {
    json!({"step": step.name, "outcome": word(step.outcome).to_lowercase(), "sentence": step.sentence})
}

fn verdict(steps: &[Step]) -> ExitCode {
    let any = |outcome| steps.iter().any(|step| step.outcome == outcome);
    if any(Outcome::Fails) {
        ExitCode::FAILURE
    } else if any(Outcome::Unknown) {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    }
}

fn show(finding: &Value, steps: &[Step], from_pack: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} on {}: {} {}",
        text(finding, "/advisory/name"),
        text(finding, "/hostname"),
        text(finding, "/component/name"),
        text(finding, "/component/version"),
    )?;
    let summary = text(finding, "/advisory/summary");
    if summary != "-" {
        writeln!(out, "{summary}")?;
    }
    writeln!(
        out,
        "first seen {}, {}",
        day(finding, "/firstSeenAt"),
        match finding["resolvedAt"].as_str() {
            Some(_) => format!("gone {}", day(finding, "/resolvedAt")),
            None => text(finding, "/applicability")
                .to_lowercase()
                .replace('_', " "),
        }
    )?;
    if finding["offer"].is_object() {
        writeln!(
            out,
            "fixed by {}, which {} {} offers",
            text(finding, "/offer/version"),
            text(finding, "/offer/label"),
            text(finding, "/offer/suite"),
        )?;
    }
    writeln!(
        out,
        "evidence: {} of feed {}, sha256 {}",
        text(finding, "/evidence/record"),
        text(finding, "/evidence/feed"),
        text(finding, "/evidence/recordDigest"),
    )?;
    for one in steps {
        writeln!(
            out,
            "  {:<8} {:<10} {}",
            word(one.outcome),
            one.name,
            one.sentence
        )?;
    }
    if !from_pack {
        writeln!(
            out,
            "  (--pack DIR also decides it from the advisory itself)"
        )?;
    }
    risk(&mut out, &finding["risk"])?;
    deadline(&mut out, &finding["deadline"])
}

fn deadline(out: &mut impl std::io::Write, deadline: &Value) -> anyhow::Result<()> {
    if !deadline.is_object() {
        return Ok(());
    }
    let due = match day(deadline, "/dueAt") {
        "-" => "with the next upgrade",
        day => day,
    };
    let overdue = if deadline["isOverdue"] == json!(true) {
        ", overdue"
    } else {
        ""
    };
    writeln!(
        out,
        "deadline {due}{overdue}, says {}: {}",
        text(deadline, "/baselineName"),
        text(deadline, "/reason"),
    )?;
    if deadline["requiresForensicTriage"] == json!(true) {
        writeln!(out, "  it also demands to look for signs of a break-in")?;
    }
    Ok(())
}

fn risk(out: &mut impl std::io::Write, risk: &Value) -> anyhow::Result<()> {
    let Some(score) = risk["score"].as_f64() else {
        return Ok(());
    };
    writeln!(out, "risk {score:.1} of 100")?;
    for term in risk["terms"].as_array().into_iter().flatten() {
        writeln!(
            out,
            "  {:>+6.1}   {:<12} {}",
            term["points"].as_f64().unwrap_or_default(),
            text(term, "/name"),
            text(term, "/input"),
        )?;
    }
    let missing: Vec<&str> = risk["missing"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !missing.is_empty() {
        writeln!(out, "  nobody gives {}", missing.join(", "))?;
    }
    Ok(())
}
