//! The same question as a join: a row for each package of each host. Versions are given to SQL as ranks, so that it compares integers and
//! need not know Debian's order.

use crate::report::{Report, figure, ms};
use crate::server::{Server, value};
use crate::world::{Fixes, Manifests, RealHost};
use anyhow::{Result, bail};
use netpatch_inventory::domain::advisory::AdvisoryRecord;
use netpatch_inventory::domain::index::MatchIndex;
use netpatch_inventory::pack::{self, Pack};
use netpatch_types::version::Version;
use sea_orm::ConnectionTrait as _;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::Instant;

const TABLES: [&str; 3] = [
    "create unlogged table host_packages (host integer not null, component integer not null)",
    "create unlogged table components (id integer primary key, source text not null, rank integer not null)",
    "create unlogged table fixes (advisory integer not null, source text not null, rank integer not null)",
];
const INDICES: [&str; 5] = [
    "create index on host_packages (component)",
    "create index on components (source, rank)",
    "create index on fixes (source, rank)",
    "create index on fixes (advisory)",
    "analyze",
];

/// Ranks of all versions of a source.
struct Ranks(HashMap<String, Vec<Version>>);

impl Ranks {
    fn of(pack: &Pack, manifests: &Manifests) -> Self {
        let mut all: HashMap<String, Vec<Version>> = HashMap::new();
        let mut add = |source: &str, version: &str| {
            if let Ok(version) = Version::parse(pack::release().ecosystem, version) {
                all.entry(source.to_owned()).or_default().push(version);
            }
        };
        for key in &manifests.components {
            let subject = pack.aliases.subject(key);
            add(&subject.source, subject.version);
        }
        for affected in pack.advisories.iter().flat_map(|one| &one.affected) {
            if let Some(fixed) = affected.only_fix() {
                add(&affected.name, fixed);
            }
        }
        for versions in all.values_mut() {
            versions
                .sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
            versions.dedup();
        }
        Self(all)
    }

    fn rank(&self, source: &str, version: &str) -> Option<usize> {
        let version = Version::parse(pack::release().ecosystem, version).ok()?;
        let all = self.0.get(source)?;
        Some(all.partition_point(|other| *other < version))
    }
}

pub(crate) async fn run(
    hosts: usize,
    pack: &Pack,
    real: &[RealHost],
    fixes: &Fixes,
    newest: &[&AdvisoryRecord],
    seed: u64,
    report: &mut Report,
) -> Result<()> {
    let manifests = Manifests::vary(real, fixes, hosts, seed);
    let fleet = manifests.fleet(pack, hosts, 0, seed);
    let ranks = Ranks::of(pack, &manifests);
    let [mut packages, mut components, mut bounds] = [String::new(), String::new(), String::new()];
    let mut rows = 0;
    for (host, (_, numbers)) in manifests.all.iter().enumerate() {
        for number in numbers.iter() {
            writeln!(packages, "{host}\t{number}")?;
            rows += 1;
        }
    }
    for (number, key) in manifests.components.iter().enumerate() {
        let subject = pack.aliases.subject(key);
        if let Some(rank) = ranks.rank(&subject.source, subject.version) {
            writeln!(components, "{number}\t{}\t{rank}", subject.source)?;
        }
    }
    let release = pack::release();
    let mut ours = Vec::new();
    for (number, advisory) in (0u32..).zip(&pack.advisories) {
        // Of two fixes in one source the higher counts: below it is affected.
        let mut highest: BTreeMap<&str, usize> = BTreeMap::new();
        for one in advisory
            .affected
            .iter()
            .filter(|one| one.release == release)
        {
            if let Some(rank) = one
                .only_fix()
                .and_then(|fixed| ranks.rank(&one.name, fixed))
            {
                let held = highest.entry(&one.name).or_default();
                *held = rank.max(*held);
            }
        }
        if highest.is_empty() || advisory.withdrawn || advisory.informational.is_some() {
            continue;
        }
        ours.push((number, advisory));
        for (source, rank) in highest {
            writeln!(bounds, "{number}\t{source}\t{rank}")?;
        }
    }

    let server = Server::start(false).await?;
    let db = server.admin("postgres").await?;
    for sql in TABLES {
        db.execute_unprepared(sql).await?;
    }
    let started = Instant::now();
    for (table, text) in [
        ("host_packages", packages),
        ("components", components),
        ("fixes", bounds),
    ] {
        let file = server.file(table, text.as_bytes())?;
        db.execute_unprepared(&format!("copy {table} from '{}'", file.display()))
            .await?;
    }
    for sql in INDICES {
        db.execute_unprepared(sql).await?;
    }
    report.row(
        format!("SQL: {hosts} hosts as {rows} rows, COPY and indices"),
        started.elapsed().as_secs_f64(),
        "s",
        "",
    );

    let started = Instant::now();
    let joined: i64 = value(
        &db,
        "select count(*) from host_packages p join components c on c.id = p.component join fixes f on f.source = c.source and c.rank < f.rank",
    )
    .await?;
    let sql = started.elapsed();
    let started = Instant::now();
    let index = MatchIndex::build(pack.aliases.clone(), ours.iter().copied());
    let mut found = 0;
    let mut by_component = HashMap::new();
    for (number, key) in fleet.components() {
        let hits = index.affected(key).map_or(0, |hits| hits.intervals.len());
        by_component.insert(number, hits);
    }
    for (_, numbers) in &manifests.all {
        found += numbers
            .iter()
            .filter_map(|number| by_component.get(number))
            .sum::<usize>();
    }
    let here = started.elapsed();
    report.row(
        format!("SQL: every finding of {hosts} hosts by a join"),
        ms(sql),
        "ms",
        format!(
            "{joined} rows; here {:.0} ms with building the index, {found} findings: {:.0} times",
            ms(here),
            sql.as_secs_f64() / here.as_secs_f64()
        ),
    );
    if u64::try_from(joined)? != u64::try_from(found)? {
        bail!("the join finds {joined}, matching {found}");
    }

    let (mut sql, mut here) = (0.0, 0.0);
    for advisory in newest {
        let Some((number, _)) = ours.iter().find(|(_, one)| std::ptr::eq(*one, *advisory)) else {
            continue;
        };
        let started = Instant::now();
        let joined: i64 = value(
            &db,
            &format!(
                "select count(distinct p.host) from fixes f join components c on c.source = f.source and c.rank < f.rank \
                 join host_packages p on p.component = c.id where f.advisory = {number}"
            ),
        )
        .await?;
        sql += started.elapsed().as_secs_f64();
        let started = Instant::now();
        let index = MatchIndex::build(pack.aliases.clone(), [(0, *advisory)]);
        let found = fleet.affected(&index, |_| true).len();
        here += started.elapsed().as_secs_f64();
        if u64::try_from(joined)? != found {
            bail!(
                "{}: the join finds {joined} hosts, matching {found}",
                advisory.name
            );
        }
    }
    let each = figure(newest.len()).max(1.0);
    report.row(
        format!("SQL: new advisory to its hosts of {hosts}, mean"),
        sql * 1e3 / each,
        "ms",
        format!(
            "here {:.4} ms: {:.0} times; rows grow with hosts, so a million hosts have {:.0} times as many",
            here * 1e3 / each,
            sql / here,
            1e6 / figure(hosts)
        ),
    );
    db.close().await?;
    server.stop().await;
    Ok(())
}
