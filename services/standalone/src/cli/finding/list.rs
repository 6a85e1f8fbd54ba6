//! `netpatch finding list`.

use super::{FINDING, day, text};
use crate::cli::api::{Api, Listed, Server, block_on};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::ExitCode;

/// Most findings or groups of one call.
const MAX_LISTED: usize = 1_000_000;

/// List findings, worst first, one by one or counted in groups.
#[derive(clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    server: Server,
    /// Only of this organization, by name or id.
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,
    /// Only of this host, by name or id.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Only what advisories say of this CVE: who is affected by it.
    #[arg(long, value_name = "CVE")]
    cve: Option<String>,
    /// Only of this source package.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only of these severities: critical, high, unknown, medium, low.
    #[arg(long, value_name = "WORD", value_delimiter = ',')]
    severity: Vec<String>,
    /// Only in these states, e.g. installable, held.
    #[arg(long, value_name = "WORD", value_delimiter = ',')]
    state: Vec<String>,
    /// Only what is known to be exploited.
    #[arg(long)]
    kev: bool,
    /// Only those whose remediation deadline was missed.
    #[arg(long)]
    overdue: bool,
    /// Only those that are due within so many days, or overdue.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(0..=3650))]
    due_within: Option<u16>,
    /// Also those that are gone.
    #[arg(long)]
    resolved: bool,
    /// Which ones come first.
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Order::Risk, conflicts_with = "by")]
    order: Order,
    /// Count them together instead of listing them.
    #[arg(long, value_enum, value_name = "WHAT")]
    by: Option<By>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// What to print.
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum By {
    Advisory,
    Patch,
    Host,
}

impl By {
    fn word(self) -> &'static str {
        match self {
            Self::Advisory => "ADVISORY",
            Self::Patch => "PATCH",
            Self::Host => "HOST",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Order {
    /// The highest risk.
    Risk,
    /// The earliest deadline.
    Deadline,
}

impl Order {
    fn word(self) -> &'static str {
        match self {
            Self::Risk => "RISK",
            Self::Deadline => "DEADLINE",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// For people.
    Table,
    /// One object.
    Json,
    /// One object a line; `finding explain --evidence` reads such a line.
    Ndjson,
}

impl List {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (listed, noun) = block_on(self.ask())?;
        self.print(&listed, noun)?;
        Ok(ExitCode::SUCCESS)
    }

    async fn ask(&self) -> anyhow::Result<(Listed, &'static str)> {
        let api = self.server.connect().await?;
        let filter = self.filter(&api).await?;
        let limit = usize::try_from(self.limit)?.min(MAX_LISTED);
        let rest = "totalCount { display } pageInfo { hasNextPage endCursor }";
        let arguments = "first: $first, after: $after, filter: $filter";
        Ok(match self.by {
            None => {
                let document = format!(
                    "query($first: Int!, $after: String, $filter: FindingFilter, $order: FindingOrder) {{ \
                     findings({arguments}, orderBy: $order) {{ nodes {{ {FINDING} }} {rest} }} }}"
                );
                let order = json!({"field": self.order.word()});
                let variables = json!({"filter": filter, "order": order});
                let listed = api.list(&document, "findings", variables, limit).await?;
                (listed, "findings")
            }
            Some(by) => {
                let document = format!(
                    "query($by: FindingGrouping!, $first: Int!, $after: String, $filter: FindingFilter) {{ \
                     findingGroups(by: $by, {arguments}) {{ nodes {{ {} }} {rest} }} }}",
                    "advisory { name summary } patch { id name fixedVersion } host { id hostname } organization { id name }
                     hostCount findingCount score severity isKnownExploited firstSeenAt"
                );
                let variables = json!({"filter": filter, "by": by.word()});
                let listed = api
                    .list(&document, "findingGroups", variables, limit)
                    .await?;
                (listed, "groups")
            }
        })
    }

    async fn filter(&self, api: &Api) -> anyhow::Result<Value> {
        let words = |all: &[String]| -> Vec<String> {
            all.iter()
                .map(|word| word.trim().replace('-', "_").to_ascii_uppercase())
                .collect()
        };
        let mut filter = json!({"includeResolved": self.resolved});
        let organization = match &self.organization {
            Some(named) => Some(api.organization(named).await?),
            None => None,
        };
        if let Some(named) = &self.host {
            filter["hostId"] = api.host(named, organization.as_deref()).await?.into();
        }
        if let Some(organization) = organization {
            filter["organizationId"] = organization.into();
        }
        if let Some(cve) = &self.cve {
            filter["cve"] = cve.as_str().into();
        }
        if let Some(source) = &self.source {
            filter["source"] = json!({"eq": source});
        }
        if !self.severity.is_empty() {
            filter["severity"] = json!({"in": words(&self.severity)});
        }
        if !self.state.is_empty() {
            filter["applicability"] = words(&self.state).into();
        }
        if self.overdue {
            filter["isOverdue"] = true.into();
        }
        if let Some(days) = self.due_within {
            filter["dueWithinDays"] = days.into();
        }
        if self.kev {
            filter["isKnownExploited"] = true.into();
        }
        Ok(filter)
    }

    fn print(&self, listed: &Listed, noun: &'static str) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        match self.output {
            Form::Json => {
                let all = json!({"version": 1, noun: listed.nodes, "totalCount": listed.total, "hasMore": listed.has_more});
                writeln!(out, "{all}").context("writing")?;
            }
            Form::Ndjson => {
                for node in &listed.nodes {
                    writeln!(out, "{node}").context("writing")?;
                }
            }
            Form::Table => {
                let mut table = comfy_table::Table::new();
                table.load_style(comfy_table::presets::NOTHING);
                match self.by {
                    None => findings(&mut table, &listed.nodes),
                    Some(by) => groups(&mut table, by, &listed.nodes),
                }
                writeln!(out, "{table}").context("writing")?;
                if listed.nodes.is_empty() {
                    eprintln!("no {noun}");
                } else if listed.has_more {
                    eprintln!(
                        "{} of {} {noun}; more with --limit",
                        listed.nodes.len(),
                        listed.total
                    );
                }
            }
        }
        Ok(())
    }
}

fn word(value: &Value, pointer: &str) -> String {
    text(value, pointer).to_ascii_lowercase().replace('_', " ")
}

fn score(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_f64)
        .map_or_else(|| "-".to_owned(), |score| format!("{score:.1}"))
}

/// The deadline's day, and whether it was missed.
fn due(node: &Value) -> String {
    let day = day(node, "/remediationDeadline");
    if node["isOverdue"] == json!(true) {
        format!("{day} (overdue)")
    } else if day == "-" && node["deadline"].is_object() {
        "next upgrade".to_owned()
    } else {
        day.to_owned()
    }
}

fn findings(table: &mut comfy_table::Table, nodes: &[Value]) {
    table.set_header([
        "RISK",
        "SEVERITY",
        "ADVISORY",
        "HOST",
        "PACKAGE",
        "INSTALLED",
        "FIXED",
        "STATE",
        "FIRST SEEN",
        "DEADLINE",
        "ID",
    ]);
    for node in nodes {
        table.add_row([
            score(node, "/risk/score"),
            word(node, "/advisory/severity"),
            text(node, "/advisory/name").to_owned(),
            text(node, "/hostname").to_owned(),
            text(node, "/component/name").to_owned(),
            text(node, "/evidence/installedVersion").to_owned(),
            text(node, "/evidence/fixedVersion").to_owned(),
            word(node, "/applicability"),
            day(node, "/firstSeenAt").to_owned(),
            due(node),
            text(node, "/id").to_owned(),
        ]);
    }
}

fn groups(table: &mut comfy_table::Table, by: By, nodes: &[Value]) {
    let count = |node: &Value, field: &str| node[field].as_i64().unwrap_or_default().to_string();
    table.set_header([
        "RISK",
        "SEVERITY",
        by.word(),
        "HOSTS",
        "FINDINGS",
        "FIRST SEEN",
        "ABOUT",
    ]);
    for node in nodes {
        let (name, about) = match by {
            By::Advisory => (
                text(node, "/advisory/name").to_owned(),
                text(node, "/advisory/summary").to_owned(),
            ),
            By::Patch if node["patch"].is_null() => (
                "-".to_owned(),
                format!(
                    "{}: no origin offers a fix",
                    text(node, "/organization/name")
                ),
            ),
            By::Patch => (
                format!(
                    "{} {}",
                    text(node, "/patch/name"),
                    text(node, "/patch/fixedVersion")
                ),
                text(node, "/organization/name").to_owned(),
            ),
            By::Host => (
                text(node, "/host/hostname").to_owned(),
                text(node, "/organization/name").to_owned(),
            ),
        };
        table.add_row([
            score(node, "/score"),
            word(node, "/severity"),
            name,
            count(node, "hostCount"),
            count(node, "findingCount"),
            day(node, "/firstSeenAt").to_owned(),
            about,
        ]);
    }
}
