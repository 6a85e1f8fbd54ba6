//! `match`: every distinct version once, a new advisory to its hosts, and what grows with hosts.

use crate::report::{Goal, Report, figure, median, ms};
use crate::world::{self, Fixes, Manifests, RealHost};
use crate::{debsecan, sql_join};
use anyhow::{Result, bail};
use netpatch_inventory::domain::advisory::AdvisoryRecord;
use netpatch_inventory::domain::affected::Status;
use netpatch_inventory::domain::fleet::Fleet;
use netpatch_inventory::domain::index::MatchIndex;
use netpatch_inventory::pack::Pack;
use netpatch_inventory::pack::offline::Offline;
use netpatch_types::ComponentKey;
use std::collections::{BTreeSet, HashMap};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Options of `match`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A whole offline pack, with the table of binary packages and the hosts
    #[arg(long, value_name = "DIR")]
    pack: PathBuf,
    /// Distinct component versions of the full match
    #[arg(long, default_value_t = 500_000)]
    components: usize,
    /// Hosts of the large fleet
    #[arg(long, default_value_t = 1_000_000)]
    hosts: usize,
    /// Hosts of the small fleet, and distinct manifests of both when they are compared
    #[arg(long, default_value_t = 1_000)]
    few: usize,
    /// Distinct manifests of the large fleet when new advisories come
    #[arg(long, default_value_t = 20_000)]
    manifests: usize,
    /// Newest advisories that come one by one
    #[arg(long, default_value_t = 200)]
    advisories: usize,
    /// Hosts whose packages the SQL join gets as rows
    #[arg(long, default_value_t = 2_000)]
    sql_hosts: usize,
    /// Times that a short measurement is repeated
    #[arg(long, default_value_t = 5)]
    repeat: usize,
}

pub(crate) async fn run(options: &Options, seed: u64) -> Result<Report> {
    let mut report = Report::new("match", seed);
    let folder = tempfile::tempdir()?;
    let started = Instant::now();
    let pack = world::load(&options.pack)?;
    report.scene("advisories", pack.advisories.len());
    report.row("read the pack", ms(started.elapsed()), "ms", "");
    let started = Instant::now();
    let index = MatchIndex::build(pack.aliases.clone(), (0..).zip(&pack.advisories));
    report.row("build the index", ms(started.elapsed()), "ms", "");
    let fixes = Fixes::of(&pack, seed);
    let hosts = world::real_hosts(&options.pack, folder.path())?;

    full(options, &index, &fixes, &mut report)?;
    let newest = newest(&pack, options.advisories);
    report.scene("new advisories", newest.len());
    arrivals(options, &pack, &hosts, &fixes, &newest, seed, &mut report)?;
    more_hosts(
        options,
        &pack,
        &index,
        &hosts,
        &fixes,
        &newest,
        seed,
        &mut report,
    )?;
    per_host(options, &pack, &index, &hosts, folder.path(), &mut report)?;
    sql_join::run(
        options.sql_hosts,
        &pack,
        &hosts,
        &fixes,
        &newest,
        seed,
        &mut report,
    )
    .await?;
    Ok(report)
}

/// How many advisories apply to each of these, all together.
fn matched<'a>(index: &MatchIndex, all: impl IntoIterator<Item = &'a ComponentKey>) -> usize {
    let one = |component| {
        index
            .affected(black_box(component))
            .map_or(0, |hits| hits.intervals.len())
    };
    all.into_iter().map(one).sum()
}

fn full(options: &Options, index: &MatchIndex, fixes: &Fixes, report: &mut Report) -> Result<()> {
    let components = world::distinct(&options.pack, fixes, options.components)?;
    let mut times = Vec::new();
    let mut found = 0;
    for _ in 0..options.repeat.max(1) {
        let started = Instant::now();
        found = matched(index, &components);
        times.push(started.elapsed());
    }
    if found == 0 {
        bail!("nothing matched: the scenario is wrong");
    }
    let median = median(&mut times);
    report.goal(
        format!(
            "full match of {} distinct versions, one core",
            components.len()
        ),
        median.as_secs_f64(),
        "s",
        Goal::AtMost(10.0),
        format!("{found} matches, median of {}", times.len()),
    );
    report.goal(
        "distinct versions matched, one core",
        figure(components.len()) / median.as_secs_f64(),
        "1/s",
        Goal::AtLeast(50_000.0),
        "",
    );
    Ok(())
}

/// The newest advisories.
fn newest(pack: &Pack, count: usize) -> Vec<&AdvisoryRecord> {
    let mut all: Vec<&AdvisoryRecord> = pack
        .advisories
        .iter()
        .filter(|one| !one.affected.is_empty() && !one.withdrawn)
        .collect();
    all.sort_by_key(|one| (std::cmp::Reverse(one.published_at), one.name.clone()));
    all.truncate(count);
    all
}

/// Each as if it came alone: read into an index, then to its hosts. The times and how many hosts there were.
fn arrive(pack: &Pack, fleet: &Fleet, newest: &[&AdvisoryRecord]) -> (Vec<Duration>, u64) {
    let mut hosts = 0;
    let times = newest
        .iter()
        .map(|advisory| {
            let started = Instant::now();
            let index = MatchIndex::build(pack.aliases.clone(), [(0, *advisory)]);
            hosts += fleet.affected(&index, |_| true).len();
            started.elapsed()
        })
        .collect();
    (times, hosts)
}

fn arrivals(
    options: &Options,
    pack: &Pack,
    hosts: &[RealHost],
    fixes: &Fixes,
    newest: &[&AdvisoryRecord],
    seed: u64,
    report: &mut Report,
) -> Result<()> {
    let manifests = Manifests::vary(hosts, fixes, options.manifests, seed);
    let started = Instant::now();
    let moved = options.hosts / 20;
    let fleet = manifests.fleet(pack, options.hosts, moved, seed);
    report.row(
        format!("load {} hosts into bitmaps", options.hosts),
        started.elapsed().as_secs_f64(),
        "s",
        format!(
            "{} manifests, {} distinct components, then {moved} hosts report another manifest; {} MB of bitmaps",
            options.manifests,
            fleet.component_count(),
            fleet.bitmap_bytes() / 1_000_000,
        ),
    );
    for advisory in newest.iter().take(10) {
        check(pack, &fleet, &manifests, advisory, options.hosts)?;
    }
    let (mut times, found) = arrive(pack, &fleet, newest);
    let worst = times.iter().max().copied().unwrap_or_default();
    report.goal(
        format!(
            "new advisory to its exact hosts of {}, worst",
            options.hosts
        ),
        ms(worst),
        "ms",
        Goal::AtMost(100.0),
        format!("{found} hosts for {} advisories", newest.len()),
    );
    report.row(
        "the same, median",
        ms(median(&mut times)),
        "ms",
        "10 of them checked host by host",
    );
    Ok(())
}

/// The hosts of an advisory, found one by one.
fn check(
    pack: &Pack,
    fleet: &Fleet,
    manifests: &Manifests,
    advisory: &AdvisoryRecord,
    hosts: usize,
) -> Result<()> {
    let index = MatchIndex::build(pack.aliases.clone(), [(0, advisory)]);
    let mut affected = HashMap::new();
    for (hash, components) in &manifests.all {
        let is_hit = components.iter().any(|number| {
            let at = usize::try_from(*number).unwrap_or(usize::MAX);
            manifests.components.get(at).is_some_and(|key| {
                index.affected(key).is_ok_and(|hits| {
                    hits.intervals
                        .iter()
                        .any(|one| one.status == Status::Affected)
                })
            })
        });
        affected.insert(*hash, is_hit);
    }
    let expected: BTreeSet<_> = (0..hosts)
        .map(world::host)
        .filter(|host| {
            fleet
                .manifest_of(*host)
                .is_some_and(|hash| affected.get(&hash) == Some(&true))
        })
        .collect();
    let set = fleet.affected(&index, |_| true);
    let found: BTreeSet<_> = fleet.ids(&set).collect();
    if found != expected {
        bail!(
            "{}: the bitmaps say {} hosts, one by one it is {}",
            advisory.name,
            found.len(),
            expected.len()
        );
    }
    Ok(())
}

#[allow(clippy::too_many_arguments, reason = "the parts of one scenario")]
fn more_hosts(
    options: &Options,
    pack: &Pack,
    index: &MatchIndex,
    hosts: &[RealHost],
    fixes: &Fixes,
    newest: &[&AdvisoryRecord],
    seed: u64,
    report: &mut Report,
) -> Result<()> {
    let manifests = Manifests::vary(hosts, fixes, options.few, seed);
    let fleets = [options.few, options.hosts].map(|count| manifests.fleet(pack, count, 0, seed));
    let mut costs = Vec::new();
    for fleet in &fleets {
        let (mut whole, mut sets) = (Vec::new(), Vec::new());
        for _ in 0..options.repeat.max(1) {
            let started = Instant::now();
            black_box(matched(index, fleet.components().map(|(_, key)| key)));
            let matching = started.elapsed();
            let (times, _) = arrive(pack, fleet, newest);
            let to_hosts = times.iter().sum::<Duration>();
            whole.push(matching + to_hosts);
            sets.push(to_hosts);
        }
        costs.push((median(&mut whole), median(&mut sets)));
    }
    let [few, many] = [costs[0], costs[1]];
    let note = format!(
        "{:.0} ms against {:.0} ms; every distinct version matched, then {} new advisories to their hosts",
        ms(many.0),
        ms(few.0),
        newest.len()
    );
    report.goal(
        format!(
            "{} hosts against {}, same distinct versions",
            options.hosts, options.few
        ),
        many.0.as_secs_f64() / few.0.as_secs_f64(),
        "times",
        Goal::AtMost(1.5),
        note,
    );
    report.row(
        "of these, only the advisories to their hosts",
        many.1.as_secs_f64() / few.1.as_secs_f64(),
        "times",
        format!("{:.2} ms against {:.2} ms", ms(many.1), ms(few.1)),
    );
    Ok(())
}

fn per_host(
    options: &Options,
    pack: &Pack,
    index: &MatchIndex,
    hosts: &[RealHost],
    folder: &Path,
    report: &mut Report,
) -> Result<()> {
    let feed = debsecan::Feed::of(pack, folder)?;
    for host in hosts {
        let mut warm: Vec<Duration> = Vec::new();
        for _ in 0..options.repeat.max(1) {
            let started = Instant::now();
            black_box(matched(index, &host.components));
            warm.push(started.elapsed());
        }
        let warm = median(&mut warm);
        let started = Instant::now();
        let matcher = Offline::open(&options.pack, false)?.load_debian(&host.components, false)?;
        let mut found = 0;
        for component in &host.components {
            found += matcher.matches(component).map_or(0, |all| all.len());
        }
        let cold = started.elapsed();
        let name = host.name;
        let packages = host.components.len();
        report.row(
            format!("{name}: {packages} packages, index in memory"),
            ms(warm),
            "ms",
            "",
        );
        report.row(
            format!("{name}: the feed read for this host alone"),
            ms(cold),
            "ms",
            format!("{found} findings"),
        );
        match &feed {
            None => report.row(
                format!("{name}: debsecan"),
                f64::NAN,
                "ms",
                "not run: the program is not installed",
            ),
            Some(feed) => {
                let (time, lines) = feed.ask(&host.status)?;
                report.row(
                    format!("{name}: debsecan"),
                    ms(time),
                    "ms",
                    format!(
                        "{lines} findings; {:.0} times the index in memory, {:.1} times the feed read anew",
                        time.as_secs_f64() / warm.as_secs_f64(),
                        time.as_secs_f64() / cold.as_secs_f64()
                    ),
                );
            }
        }
    }
    Ok(())
}
