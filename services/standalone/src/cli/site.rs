//! `netpatch site`: what the relays of a site may do, and what its line may carry of what they fetch.

use crate::cli::Output;
use crate::cli::api::{Api, Refused, Server, block_on};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::ExitCode;

const SITE: &str = "id name timeZone directAllowed probesExposure servesProxy usesDeltas upstreams
    mirrors { repository urls }
    bandwidth { kilobitsPerSecond rules { hours { days from until } kilobitsPerSecond } }
    stagingHours { days from until }
    traffic { bytesServed bytesFetched savedBytes deltaSavedBytes cacheHitRatio }";
/// Days as they are typed, and in the words of the API.
const DAYS: [(&str, &str); 7] = [
    ("mon", "MON"),
    ("tue", "TUE"),
    ("wed", "WED"),
    ("thu", "THU"),
    ("fri", "FRI"),
    ("sat", "SAT"),
    ("sun", "SUN"),
];

/// Ask about sites, and change what their relays do.
#[derive(clap::Subcommand)]
pub(crate) enum Site {
    /// List sites: what their relays may do, what their lines may carry, what was saved.
    List {
        #[command(flatten)]
        of: Of,
    },
    /// Limit what the relays of a site fetch over its line; all of it anew. Sessions and reports are never held up.
    Limit {
        /// Its name or id.
        site: String,
        /// Outside of all rules, in units of 1000 bits per second; without it there is no limit.
        #[arg(long, value_name = "KILOBITS")]
        kilobits: Option<u32>,
        /// What holds in some hours, in the site's time zone: `mon-fri 08:00-18:00 2000`, `daily 22:00-06:00 unlimited`. May be
        /// repeated; the first that fits decides.
        #[arg(long, value_name = "DAYS HOURS KILOBITS")]
        rule: Vec<String>,
        /// No limit at all.
        #[arg(long, conflicts_with_all = ["kilobits", "rule"], required_unless_present_any = ["kilobits", "rule"])]
        unlimited: bool,
        #[command(flatten)]
        of: Of,
    },
    /// Change what the relays of a site do; what is not named stays.
    #[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
    Set {
        /// Its name or id.
        site: String,
        /// Whether hosts may go past the relay; off, a host whose relays are lost waits for them.
        #[arg(long, group = "change")]
        direct: Option<Switch>,
        /// Whether packages are made of older versions and differences.
        #[arg(long, group = "change")]
        differences: Option<Switch>,
        /// Whether hosts without an agent are served, as an HTTP proxy.
        #[arg(long, group = "change")]
        proxy: Option<Switch>,
        /// Whether the ports that hosts say they listen on are tried.
        #[arg(long, group = "change")]
        probes: Option<Switch>,
        /// When is fetched ahead, in the site's time zone: `mon-fri 22:00-06:00`, or `always`. May be repeated; all of it anew.
        #[arg(long, value_name = "DAYS HOURS", group = "change")]
        staging: Vec<String>,
        /// Where a repository is fetched, all of it anew: `http://deb.example/debian=http://mirror.example/debian`, or `none`. May be
        /// repeated; mirrors of one repository are tried in their order.
        #[arg(long, value_name = "REPOSITORY=URL", group = "change")]
        mirror: Vec<String>,
        #[command(flatten)]
        of: Of,
    },
}

/// Where sites are looked for, and how they are shown.
#[derive(clap::Args)]
pub(crate) struct Of {
    /// Of which organization, by name or id; may be left out by who reaches only one.
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,
    #[command(flatten)]
    server: Server,
    /// What to print.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// On or off.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

impl Site {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List { of } => {
                let sites = block_on(async {
                    let api = of.server.connect().await?;
                    sites(&api, of.organization.as_deref()).await
                })?;
                of.show(sites)
            }
            Self::Limit {
                site,
                kilobits,
                rule,
                unlimited: _,
                of,
            } => {
                let rules: anyhow::Result<Vec<Value>> =
                    rule.iter().map(|text| read_rule(text)).collect();
                let bandwidth = json!({"kilobitsPerSecond": kilobits, "rules": rules?});
                of.change(&site, json!({"bandwidth": bandwidth}))
            }
            Self::Set {
                site,
                direct,
                differences,
                proxy,
                probes,
                staging,
                mirror,
                of,
            } => {
                let mut input = json!({});
                for (field, switch) in [
                    ("directAllowed", direct),
                    ("usesDeltas", differences),
                    ("servesProxy", proxy),
                    ("probesExposure", probes),
                ] {
                    if let Some(switch) = switch {
                        input[field] = (switch == Switch::On).into();
                    }
                }
                if !staging.is_empty() {
                    let ranges = staging.iter().filter(|text| *text != "always");
                    let ranges: anyhow::Result<Vec<Value>> =
                        ranges.map(|text| read_hours(text)).collect();
                    input["stagingHours"] = ranges?.into();
                }
                if !mirror.is_empty() {
                    input["mirrors"] = read_mirrors(&mirror)?;
                }
                of.change(&site, input)
            }
        }
    }
}

impl Of {
    fn change(&self, named: &str, mut input: Value) -> anyhow::Result<ExitCode> {
        let answer = block_on(async {
            let api = self.server.connect().await?;
            let all = sites(&api, self.organization.as_deref()).await?;
            let is = |site: &&Value| site["id"] == json!(named) || site["name"] == json!(named);
            let Some(site) = all.iter().find(is) else {
                return Err(Refused::new(5, format!("no site {named} within your reach")).into());
            };
            input["id"] = site["id"].clone();
            input["idempotencyKey"] = uuid::Uuid::new_v4().to_string().into();
            let document = format!(
                "mutation($input: SiteUpdateInput!) {{ siteUpdate(input: $input) {{ site {{ {SITE} }} userErrors {{ code message }} }} }}"
            );
            api.ask(&document, json!({"input": input})).await
        })?;
        let answer = &answer["siteUpdate"];
        if let Some(first) = answer["userErrors"].get(0) {
            let message = first["message"].as_str().unwrap_or("it was refused");
            return Err(Refused::new(1, message).into());
        }
        self.show(vec![answer["site"].clone()])
    }

    fn show(&self, sites: Vec<Value>) -> anyhow::Result<ExitCode> {
        let mut out = std::io::stdout().lock();
        match self.output {
            Output::Json => writeln!(out, "{}", json!({"version": 1, "sites": sites}))?,
            Output::Table => writeln!(out, "{}", table(&sites))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// All sites of an organization. They hang below it, so the pages are asked for here.
async fn sites(api: &Api, organization: Option<&str>) -> anyhow::Result<Vec<Value>> {
    let id = api.own_organization(organization).await?;
    let document = format!(
        "query($id: ID!, $after: String) {{ organization(id: $id) {{ sites(first: 100, after: $after) {{
            nodes {{ {SITE} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"
    );
    let (mut all, mut after) = (Vec::new(), Value::Null);
    loop {
        let asked = json!({"id": id, "after": after});
        let data = api.ask(&document, asked).await?;
        let page = &data["organization"]["sites"];
        all.extend(page["nodes"].as_array().into_iter().flatten().cloned());
        if page["pageInfo"]["hasNextPage"] != json!(true) {
            return Ok(all);
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

/// `mon-fri 08:00-18:00 2000`, `daily 22:00-06:00 unlimited`
fn read_rule(text: &str) -> anyhow::Result<Value> {
    let wrong = || format!("a rule is like \"mon-fri 08:00-18:00 2000\", not {text:?}");
    let (hours, kilobits) = text.trim().rsplit_once(' ').with_context(wrong)?;
    let kilobits = match kilobits {
        "unlimited" => Value::Null,
        number => number.parse::<u32>().with_context(wrong)?.into(),
    };
    let hours = read_hours(hours).with_context(wrong)?;
    Ok(json!({"hours": hours, "kilobitsPerSecond": kilobits}))
}

/// `mon-fri 22:00-06:00`, `sat,sun 00:00-24:00`, `daily 22:00-06:00`
fn read_hours(text: &str) -> anyhow::Result<Value> {
    let wrong = || format!("hours are like \"mon-fri 22:00-06:00\", not {text:?}");
    let (days, hours) = text.trim().split_once(' ').with_context(wrong)?;
    let (from, until) = hours.trim().split_once('-').with_context(wrong)?;
    let days = read_days(days).with_context(wrong)?;
    Ok(json!({"days": days, "from": from.trim(), "until": until.trim()}))
}

/// `daily`, `mon`, `mon-fri`, `fri-mon`, `mon,wed,sat-sun`
fn read_days(text: &str) -> Option<Vec<&'static str>> {
    if text == "daily" {
        return Some(DAYS.map(|(_, word)| word).to_vec());
    }
    let day = |name: &str| DAYS.iter().position(|(day, _)| *day == name);
    let mut is_meant = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day(first)?, day(last)?);
        while at != last {
            *is_meant.get_mut(at)? = true;
            at = (at + 1) % 7;
        }
        *is_meant.get_mut(last)? = true;
    }
    let days = DAYS.iter().zip(is_meant);
    let meant = days.filter_map(|((_, word), is_meant)| is_meant.then_some(*word));
    Some(meant.collect())
}

/// `REPOSITORY=URL`, or `none`
fn read_mirrors(texts: &[String]) -> anyhow::Result<Value> {
    let mut mirrors: Vec<(&str, Vec<&str>)> = Vec::new();
    for text in texts.iter().filter(|text| *text != "none") {
        let wrong = || format!("a mirror is REPOSITORY=URL, not {text:?}");
        let (repository, url) = text.split_once('=').with_context(wrong)?;
        match mirrors.iter_mut().find(|(known, _)| *known == repository) {
            Some((_, urls)) => urls.push(url),
            None => mirrors.push((repository, vec![url])),
        }
    }
    let each = mirrors
        .into_iter()
        .map(|(repository, urls)| json!({"repository": repository, "urls": urls}));
    Ok(each.collect())
}

fn table(sites: &[Value]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header([
        "SITE",
        "TIME ZONE",
        "DIRECT",
        "LINE",
        "FETCHES AHEAD",
        "DIFFERENCES",
        "SAVED BYTES",
        "HIT RATIO",
    ]);
    for site in sites {
        let text = |pointer: &str| {
            let value = site.pointer(pointer).and_then(Value::as_str);
            value.unwrap_or("-").to_owned()
        };
        let ratio = site
            .pointer("/traffic/cacheHitRatio")
            .and_then(Value::as_f64);
        let switch = |field: &str| match site[field].as_bool() {
            Some(true) => "on".to_owned(),
            Some(false) => "off".to_owned(),
            None => "-".to_owned(),
        };
        table.add_row([
            text("/name"),
            text("/timeZone"),
            switch("directAllowed"),
            line(&site["bandwidth"]),
            ahead(&site["stagingHours"]),
            switch("usesDeltas"),
            text("/traffic/savedBytes"),
            ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}")),
        ]);
    }
    table
}

fn line(bandwidth: &Value) -> String {
    let limit = |of: &Value| match of["kilobitsPerSecond"].as_u64() {
        Some(kilobits) => format!("{kilobits} kbit/s"),
        None => "unlimited".to_owned(),
    };
    let rules = bandwidth["rules"].as_array().into_iter().flatten();
    let rules = rules.map(|rule| format!("{} {}", hours(&rule["hours"]), limit(rule)));
    let all: Vec<String> = std::iter::once(limit(bandwidth)).chain(rules).collect();
    all.join("; ")
}

fn ahead(ranges: &Value) -> String {
    let ranges: Vec<String> = ranges.as_array().into_iter().flatten().map(hours).collect();
    match ranges.is_empty() {
        true => "always".to_owned(),
        false => ranges.join("; "),
    }
}

fn hours(of: &Value) -> String {
    let text = |field: &str| of[field].as_str().unwrap_or_default().to_owned();
    let days = of["days"].as_array().into_iter().flatten();
    let days: Vec<String> = days
        .filter_map(|day| Some(day.as_str()?.to_lowercase()))
        .collect();
    format!("{} {}-{}", days.join(","), text("from"), text("until"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_people_write_them() {
        assert_eq!(read_days("mon-wed"), Some(vec!["MON", "TUE", "WED"]));
        assert_eq!(read_days("sat-mon"), Some(vec!["MON", "SAT", "SUN"]));
        assert_eq!(read_days("sun,tue,tue"), Some(vec!["TUE", "SUN"]));
        assert_eq!(read_days("daily").map(|days| days.len()), Some(7));
        for wrong in ["", "mon-", "-", "monday", "mon,,tue", "MON", "mon-tue-wed"] {
            assert_eq!(read_days(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn rules_and_hours_are_read_or_refused_with_an_example() {
        let rule = read_rule("mon-tue 08:00-18:00 2000").expect("a rule");
        let expected = json!({"hours": {"days": ["MON", "TUE"], "from": "08:00", "until": "18:00"}, "kilobitsPerSecond": 2000});
        assert_eq!(rule, expected);
        let open = read_rule("daily 22:00-06:00 unlimited").expect("a rule");
        assert_eq!(open["kilobitsPerSecond"], Value::Null);
        for wrong in [
            "",
            "2000",
            "mon 08:00 2000",
            "mon 08:00-18:00",
            "mon 08:00-18:00 -5",
            "8 08:00-18:00 5",
        ] {
            let error = read_rule(wrong).expect_err(wrong).to_string();
            assert!(error.contains("mon-fri 08:00-18:00 2000"), "{error}");
        }
    }

    #[test]
    fn mirrors_of_one_repository_keep_their_order() {
        let texts = [
            "http://a=http://1/x=y",
            "http://b=http://2",
            "http://a=http://3",
        ];
        let read = read_mirrors(&texts.map(str::to_owned)).expect("mirrors");
        let expected = json!([
            {"repository": "http://a", "urls": ["http://1/x=y", "http://3"]},
            {"repository": "http://b", "urls": ["http://2"]}
        ]);
        assert_eq!(read, expected);
        assert_eq!(read_mirrors(&["none".to_owned()]).expect("none"), json!([]));
        assert!(read_mirrors(&["http://a".to_owned()]).is_err());
    }
}
