//! The same hosts as rows: a row for each package of each host, filled with COPY, as a straightforward inventory keeps them. What
//! a host reports replaces what it had.

use crate::report::{Goal, Report, figure};
use crate::server::Server;
use crate::world::{self, Manifests};
use anyhow::Result;
use sea_orm::ConnectionTrait as _;
use std::fmt::Write as _;
use std::time::Instant;

const TABLE: &str = "create table host_packages (host_id uuid not null, name text not null, version text not null, arch text not null, \
    source text not null, source_version text not null, primary key (host_id, name, arch, version))";
const INDEX: &str = "create index host_packages_package on host_packages (name, version)";
/// Hosts of one COPY.
const BATCH: usize = 100;

/// What the platform managed in this run, hosts a second.
pub(crate) struct Rates {
    pub(crate) first: f64,
    pub(crate) changed: f64,
}

pub(crate) async fn run(
    server: &Server,
    hosts: usize,
    manifests: &Manifests,
    ours: &Rates,
    report: &mut Report,
) -> Result<()> {
    let db = server.admin("postgres").await?;
    db.execute_unprepared(TABLE).await?;
    db.execute_unprepared(INDEX).await?;
    let mut files = Vec::new();
    let mut rows = 0;
    for first in (0..hosts).step_by(BATCH) {
        let mut text = String::new();
        for number in first..hosts.min(first + BATCH) {
            let (_, numbers) = &manifests.all[number % manifests.all.len()];
            for number_of in numbers.iter() {
                let at = usize::try_from(*number_of)?;
                let key = &manifests.components[at];
                writeln!(
                    text,
                    "{}\t{}\t{}\t{}\t{}\t{}",
                    world::host(number).0,
                    key.name,
                    key.version,
                    key.arch,
                    key.source,
                    key.source_version
                )?;
                rows += 1;
            }
        }
        files.push((
            first,
            server.file(&format!("rows-{first}"), text.as_bytes())?,
        ));
    }
    let started = Instant::now();
    for (_, file) in &files {
        db.execute_unprepared(&format!("copy host_packages from '{}'", file.display()))
            .await?;
    }
    let first = figure(hosts) / started.elapsed().as_secs_f64();
    report.row(
        "normalised table: first report, COPY",
        first,
        "hosts/s",
        format!("{rows} rows for {hosts} hosts, {BATCH} hosts a COPY"),
    );
    let started = Instant::now();
    for (from, file) in &files {
        let ids: Vec<String> = (*from..hosts.min(from + BATCH))
            .map(|number| format!("'{}'", world::host(number).0))
            .collect();
        db.execute_unprepared(&format!(
            "begin; delete from host_packages where host_id in ({}); copy host_packages from '{}'; commit",
            ids.join(","),
            file.display()
        ))
        .await?;
    }
    let again = figure(hosts) / started.elapsed().as_secs_f64();
    report.row(
        "normalised table: a later report, delete and COPY",
        again,
        "hosts/s",
        "whatever changed",
    );
    report.goal(
        "change of three packages against the normalised table",
        ours.changed / again,
        "times",
        Goal::AtLeast(30.0),
        "",
    );
    report.goal(
        "first manifest against the normalised table",
        ours.first / first,
        "times",
        Goal::AtLeast(30.0),
        "every package of the host is read, hashed and checked here too",
    );
    db.close().await?;
    Ok(())
}
