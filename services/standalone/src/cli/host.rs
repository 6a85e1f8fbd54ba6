//! `netpatch host show`.

use crate::cli::Output;
use crate::cli::api::{Refused, Server, block_on};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::ExitCode;

const HOST: &str = "id hostname arch kernel osName osRelease ring timeZone state stateReason registeredAt lastSeenAt lastScanAt
    isRebootPending isQuarantined isAuditOnly scanProblem
    organization { id name } site { id name } relay { id } labels { key value } groups { name } openFindings { severity count }
    hardware { vendor model serial chassis processor virtualization }
    asset { inventoryNumber serial vendor model owner department location warrantyEnd endOfLife }";

/// Ask about hosts.
#[derive(clap::Subcommand)]
pub(crate) enum Host {
    /// Show a host: what it is, how it stands, and with --components what is installed.
    Show {
        /// Its name or id.
        host: String,
        /// Only of this organization, by name or id.
        #[arg(long, value_name = "NAME")]
        organization: Option<String>,
        /// List installed components too.
        #[arg(long)]
        components: bool,
        #[command(flatten)]
        server: Server,
        /// What to print.
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
}

impl Host {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Show {
            host,
            organization,
            components,
            server,
            output,
        } = self;
        let (host, installed) = block_on(async {
            let api = server.connect().await?;
            let organization = match &organization {
                Some(named) => Some(api.organization(named).await?),
                None => None,
            };
            let id = api.host(&host, organization.as_deref()).await?;
            let document =
                format!("query($id: ID!) {{ node(id: $id) {{ ... on Host {{ {HOST} }} }} }}");
            let mut data = api.ask(&document, json!({"id": id})).await?;
            let found = data["node"].take();
            if !found["id"].is_string() {
                return Err(Refused::new(5, format!("no host {host} within your reach")).into());
            }
            let installed = if components {
                Some(installed(&api, &id).await?)
            } else {
                None
            };
            Ok((found, installed))
        })?;
        let mut out = std::io::stdout().lock();
        match output {
            Output::Json => {
                let mut all = json!({"version": 1, "host": host});
                if let Some(installed) = installed {
                    all["components"] = installed.into();
                }
                writeln!(out, "{all}")?;
            }
            Output::Table => {
                write!(out, "{}", table(&host))?;
                for component in installed.iter().flatten() {
                    writeln!(out, "{}", component["purl"].as_str().unwrap_or_default())?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// All components of a host. They hang below a node, so the pages are asked for here.
async fn installed(api: &crate::cli::api::Api, id: &str) -> anyhow::Result<Vec<Value>> {
    let document = "query($id: ID!, $after: String) { node(id: $id) { ... on Host { components(first: 100, after: $after) {
        nodes { purl name version arch source sourceVersion } pageInfo { hasNextPage endCursor } } } } }";
    let (mut all, mut after) = (Vec::new(), Value::Null);
    loop {
        let data = api.ask(document, json!({"id": id, "after": after})).await?;
        let page = &data["node"]["components"];
        all.extend(page["nodes"].as_array().into_iter().flatten().cloned());
        if page["pageInfo"]["hasNextPage"] != json!(true) {
            return Ok(all);
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

/// The fields of a part that say something, in order.
fn all_of(host: &Value, fields: &[&str], part: &str) -> String {
    let said: Vec<&str> = fields
        .iter()
        .filter_map(|field| host.pointer(part)?.get(field)?.as_str())
        .filter(|text| !text.is_empty())
        .collect();
    if said.is_empty() {
        "-".to_owned()
    } else {
        said.join(", ")
    }
}

fn table(host: &Value) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    let text = |pointer: &str| {
        let value = host.pointer(pointer).and_then(Value::as_str);
        value
            .filter(|text| !text.is_empty())
            .unwrap_or("-")
            .to_owned()
    };
    let join = |field: &str, show: fn(&Value) -> String| {
        let all: Vec<String> = host[field]
            .as_array()
            .into_iter()
            .flatten()
            .map(show)
            .collect();
        if all.is_empty() {
            "-".to_owned()
        } else {
            all.join(", ")
        }
    };
    let is = |field: &str| {
        if host[field] == json!(true) {
            "yes"
        } else {
            "no"
        }
        .to_owned()
    };
    let word = |value: &Value| {
        value
            .as_str()
            .unwrap_or_default()
            .to_lowercase()
            .replace('_', " ")
    };
    let rows = [
        ("host", text("/hostname")),
        ("id", text("/id")),
        ("organization", text("/organization/name")),
        ("site", text("/site/name")),
        (
            "state",
            format!("{}: {}", word(&host["state"]), text("/stateReason")),
        ),
        (
            "system",
            format!(
                "{} ({}), {}",
                text("/osName"),
                text("/osRelease"),
                text("/arch")
            ),
        ),
        ("kernel", text("/kernel")),
        (
            "machine",
            all_of(
                host,
                &["vendor", "model", "chassis", "virtualization"],
                "/hardware",
            ),
        ),
        ("serial number", text("/hardware/serial")),
        ("processor", text("/hardware/processor")),
        (
            "asset",
            all_of(
                host,
                &["inventoryNumber", "vendor", "model", "serial"],
                "/asset",
            ),
        ),
        (
            "owner",
            all_of(host, &["owner", "department", "location"], "/asset"),
        ),
        ("warranty end", text("/asset/warrantyEnd")),
        ("end of life", text("/asset/endOfLife")),
        (
            "open findings",
            join("openFindings", |count| {
                format!(
                    "{} {}",
                    count["count"],
                    count["severity"]
                        .as_str()
                        .unwrap_or_default()
                        .to_lowercase()
                )
            }),
        ),
        ("reboot pending", is("isRebootPending")),
        ("ring", text("/ring")),
        (
            "groups",
            join("groups", |group| {
                group["name"].as_str().unwrap_or_default().to_owned()
            }),
        ),
        (
            "labels",
            join("labels", |label| {
                format!(
                    "{}={}",
                    label["key"].as_str().unwrap_or_default(),
                    label["value"].as_str().unwrap_or_default()
                )
            }),
        ),
        ("time zone", text("/timeZone")),
        ("enrolled", text("/registeredAt")),
        ("last seen", text("/lastSeenAt")),
        ("last scan", text("/lastScanAt")),
        ("scan problem", text("/scanProblem")),
    ];
    for (name, value) in rows {
        table.add_row([name.to_owned(), value]);
    }
    if host["isQuarantined"] == json!(true) {
        table.add_row([
            "quarantined",
            "yes: two copies of its identity were live; a person must release it",
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_and_its_asset_are_shown_or_a_dash() {
        let host = json!({
            "hostname": "web-1",
            "hardware": {"vendor": "Acme", "model": "T 1", "serial": "PF-1", "chassis": "server", "virtualization": null},
            "asset": {"inventoryNumber": "A-1", "owner": "ada", "warrantyEnd": "2027-01-31"},
        });
        let shown = table(&host).to_string();
        let row = |name: &str| {
            let line = shown.lines().find(|line| line.trim().starts_with(name));
            let line = line.unwrap_or_else(|| panic!("{name}: {shown}"));
            line.trim().strip_prefix(name).unwrap().trim().to_owned()
        };
        assert_eq!(row("machine"), "Acme, T 1, server");
        assert_eq!(row("serial number"), "PF-1");
        assert_eq!(row("asset"), "A-1");
        assert_eq!(row("owner"), "ada");
        assert_eq!(row("warranty end"), "2027-01-31");
        assert_eq!(row("end of life"), "-");
        let nothing = table(&json!({"hostname": "web-1", "asset": null})).to_string();
        assert!(nothing.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words == ["machine", "-"]
        }));
    }
}
