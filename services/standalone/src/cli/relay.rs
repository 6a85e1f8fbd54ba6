//! `netpatch relay list|claim|replace`: relays, and taking in the machines that show a claim code.
//!
//! A code alone says nothing of who shows it: before anything is taken in, the fingerprint that the machine shows is compared, by
//! `--fingerprint` or by the person at the terminal.

use crate::cli::Output;
use crate::cli::api::{Api, Refused, Server, block_on};
use netpatch_protocol::token::parse_fingerprint;
use netpatch_types::Sha256;
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

const RELAY: &str = "id name status version model serial keyFingerprint address lastSeenAt sessions site { id name }";
/// Most relays or sites that are looked through.
const MAX_LISTED: usize = 10_000;

/// List relays, and claim or replace them by the code that they show.
#[derive(clap::Subcommand)]
pub(crate) enum Relay {
    /// List an organization's relays.
    List {
        #[command(flatten)]
        whose: Whose,
        /// What to print.
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Take in the relay that shows a code.
    ///
    /// Exit codes: 0 claimed; 1 no relay waits with the code, or its fingerprint is another one; 4 not allowed; 5 no such site;
    /// 6 nobody compared the fingerprint, nothing was done; 7 the platform cannot be reached, or five wrong codes.
    Claim {
        /// The code, as in BCDF-GHJK.
        code: String,
        /// At which site it is, by name or id.
        #[arg(long, value_name = "NAME")]
        site: String,
        /// Its name from now on.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        comparing: Comparing,
        #[command(flatten)]
        whose: Whose,
        /// What to print.
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Put the machine that shows a code in a relay's place: name, site and history stay, the old machine is refused from then on.
    ///
    /// Exit codes: as those of `claim`; 5 no such relay.
    Replace {
        /// The broken relay, by name or id.
        relay: String,
        /// The code that the new machine shows.
        code: String,
        #[command(flatten)]
        comparing: Comparing,
        #[command(flatten)]
        whose: Whose,
        /// What to print.
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
}

#[derive(clap::Args)]
pub(crate) struct Whose {
    /// Of which organization, by name or id; may be left out by who reaches only one.
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,
    #[command(flatten)]
    server: Server,
}

#[derive(clap::Args)]
pub(crate) struct Comparing {
    /// The fingerprint that the relay shows, with or without blanks; another one is not taken in.
    #[arg(long, value_name = "HEX", value_parser = fingerprint)]
    fingerprint: Option<Sha256>,
}

fn fingerprint(text: &str) -> Result<Sha256, String> {
    parse_fingerprint(text).ok_or_else(|| "a fingerprint has 64 hexadecimal digits".to_owned())
}

impl Relay {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List { whose, output } => {
                let relays = block_on(async {
                    let (api, organization) = whose.connect().await?;
                    below(&api, &organization, "relays", RELAY).await
                })?;
                let mut out = std::io::stdout().lock();
                match output {
                    Output::Json => writeln!(out, "{}", json!({"version": 1, "relays": relays}))?,
                    Output::Table if relays.is_empty() => eprintln!("no relays"),
                    Output::Table => writeln!(out, "{}", table(&relays))?,
                }
            }
            Self::Claim {
                code,
                site,
                name,
                comparing,
                whose,
                output,
            } => {
                let relay = block_on(async {
                    let (api, organization) = whose.connect().await?;
                    let sites = below(&api, &organization, "sites", "id name").await?;
                    let site = one("site", &site, &sites)?;
                    comparing.compare(&api, &organization, &code).await?;
                    let input = json!({"organizationId": organization, "siteId": site["id"], "claimCode": code, "name": name});
                    taken(&api, "relayClaim", "RelayClaimInput", input).await
                })?;
                print(&relay, output)?;
            }
            Self::Replace {
                relay,
                code,
                comparing,
                whose,
                output,
            } => {
                let relay = block_on(async {
                    let (api, organization) = whose.connect().await?;
                    let relays = below(&api, &organization, "relays", RELAY).await?;
                    let old = one("relay", &relay, &relays)?;
                    eprintln!("takes the place of {}", words(old, "name"));
                    comparing.compare(&api, &organization, &code).await?;
                    let input = json!({"id": old["id"], "claimCode": code});
                    taken(&api, "relayReplace", "RelayReplaceInput", input).await
                })?;
                print(&relay, output)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Whose {
    async fn connect(&self) -> anyhow::Result<(Api, String)> {
        let api = self.server.connect().await?;
        let organization = api.own_organization(self.organization.as_deref()).await?;
        Ok((api, organization))
    }
}

impl Comparing {
    /// Shows what waits with the code; an error unless its fingerprint is the one that the relay shows.
    async fn compare(&self, api: &Api, organization: &str, code: &str) -> anyhow::Result<()> {
        let document = "query($organization: ID!, $code: String!) { relayPreview(organizationId: $organization, claimCode: $code) {
            model serial version keyFingerprint } }";
        let variables = json!({"organization": organization, "code": code});
        let mut data = api.ask(document, variables).await?;
        let found = data["relayPreview"].take();
        let Some(key) = found["keyFingerprint"].as_str().and_then(parse_fingerprint) else {
            let message = format!(
                "no relay waits with {code}; it lasts 15 minutes, and five wrong ones lock for ten"
            );
            return Err(Refused::new(1, message).into());
        };
        eprintln!("model        {}", words(&found, "model"));
        eprintln!("serial       {}", words(&found, "serial"));
        eprintln!("version      {}", words(&found, "version"));
        eprintln!("fingerprint  {}", key.grouped());
        match self.fingerprint {
            Some(shown) if shown == key => Ok(()),
            Some(_) => {
                let message = "this is another machine than the one whose fingerprint you gave; nothing was done";
                Err(Refused::new(1, message).into())
            }
            None if confirmed()? => Ok(()),
            None => {
                let message = "nothing was done: compare the fingerprint with the one that the relay shows and give it with --fingerprint";
                Err(Refused::new(6, message).into())
            }
        }
    }
}

/// A person at the terminal says yes.
fn confirmed() -> std::io::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    eprint!("does the relay show the same fingerprint? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// All nodes of a connection of the organization.
async fn below(
    api: &Api,
    organization: &str,
    field: &str,
    selection: &str,
) -> anyhow::Result<Vec<Value>> {
    let document = format!(
        "query($id: ID!, $after: String) {{ organization(id: $id) {{ {field}(first: 100, after: $after) {{
         nodes {{ {selection} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"
    );
    let (mut all, mut after) = (Vec::new(), Value::Null);
    loop {
        let variables = json!({"id": organization, "after": after});
        let mut data = api.ask(&document, variables).await?;
        let mut page = data["organization"][field].take();
        if let Value::Array(nodes) = page["nodes"].take() {
            all.extend(nodes);
        }
        if page["pageInfo"]["hasNextPage"] != json!(true) || all.len() >= MAX_LISTED {
            return Ok(all);
        }
        after = page["pageInfo"]["endCursor"].take();
    }
}

fn one<'a>(what: &str, named: &str, nodes: &'a [Value]) -> anyhow::Result<&'a Value> {
    let is = |node: &&Value| node["id"] == json!(named) || node["name"] == json!(named);
    let found: Vec<&Value> = nodes.iter().filter(is).collect();
    match found[..] {
        [only] => Ok(only),
        [] => Err(Refused::new(5, format!("no {what} {named} within your reach")).into()),
        _ => anyhow::bail!("{} {what}s are named {named}; give the id", found.len()),
    }
}

/// The relay that a mutation made.
async fn taken(
    api: &Api,
    mutation: &str,
    input_type: &str,
    mut input: Value,
) -> anyhow::Result<Value> {
    input["idempotencyKey"] = json!(uuid::Uuid::new_v4().to_string());
    let document = format!(
        "mutation($input: {input_type}!) {{ {mutation}(input: $input) {{ relay {{ {RELAY} }} userErrors {{ code message }} }} }}"
    );
    let mut data = api.ask(&document, json!({"input": input})).await?;
    let mut answer = data[mutation].take();
    if let Some(error) = answer["userErrors"].get(0) {
        let exit = match error["code"].as_str().unwrap_or_default() {
            "FORBIDDEN" => 4,
            "NOT_FOUND" => 5,
            "CONFLICT" => 6,
            "THROTTLED" => 7,
            _ => 1,
        };
        return Err(Refused::new(exit, words(error, "message")).into());
    }
    Ok(answer["relay"].take())
}

fn print(relay: &Value, output: Output) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match output {
        Output::Json => writeln!(out, "{}", json!({"version": 1, "relay": relay}))?,
        Output::Table => writeln!(
            out,
            "{} belongs to {}; it takes its certificate within seconds",
            words(relay, "name"),
            words(&relay["site"], "name")
        )?,
    }
    Ok(())
}

fn words(of: &Value, field: &str) -> String {
    let text = of[field].as_str().filter(|text| !text.is_empty());
    text.unwrap_or("-").to_owned()
}

fn table(relays: &[Value]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header([
        "NAME",
        "SITE",
        "STATUS",
        "ADDRESS",
        "LAST SEEN",
        "VERSION",
        "KEY",
    ]);
    for relay in relays {
        let key: String = words(relay, "keyFingerprint").chars().take(16).collect();
        table.add_row([
            words(relay, "name"),
            words(&relay["site"], "name"),
            words(relay, "status").to_lowercase(),
            words(relay, "address"),
            words(relay, "lastSeenAt"),
            words(relay, "version"),
            format!("{key}…"),
        ]);
    }
    table
}
