//! Hosts that carry what they carried.

use super::Scenario;
use crate::report::{Goal, Report, figure};
use crate::world;
use anyhow::Result;
use netpatch_inventory_api::{InventoryApi as _, ManifestDeltaReport};
use std::time::Instant;

impl Scenario<'_> {
    /// Unchanged reports of one caller, and their SQL statements.
    pub(super) async fn unchanged(&self, report: &mut Report) -> Result<()> {
        let Self {
            options,
            platform,
            ctx,
            manifests,
            ..
        } = self;
        let inventory = &platform.inventories[0];
        let reports: Vec<ManifestDeltaReport> = (0..options.hosts)
            .map(|number| {
                let hash = manifests.all[number % manifests.all.len()].0;
                ManifestDeltaReport {
                    host: world::host(number),
                    base: hash,
                    hash,
                    added: Vec::new(),
                    removed: Vec::new(),
                }
            })
            .collect();
        // The other process had half of the hosts: they are asked for once.
        let warm = async {
            let started = Instant::now();
            for one in &reports {
                inventory.manifest_delta_report(ctx, one.clone()).await?;
            }
            Ok(started.elapsed())
        };
        let (time, statements) = platform.statements(warm).await?;
        report.row(
            "unchanged hosts, half of them not remembered yet",
            figure(reports.len()) / time.as_secs_f64(),
            "hosts/s",
            format!("one caller; {statements} SQL statements"),
        );
        let measured = async {
            let started = Instant::now();
            for one in reports.iter().cycle().take(options.unchanged) {
                inventory.manifest_delta_report(ctx, one.clone()).await?;
            }
            Ok(started.elapsed())
        };
        let (time, statements) = platform.statements(measured).await?;
        report.goal(
            "unchanged hosts, one core",
            figure(options.unchanged) / time.as_secs_f64(),
            "hosts/s",
            Goal::AtLeast(25_000.0),
            format!(
                "{} reports in {:.2} s",
                options.unchanged,
                time.as_secs_f64()
            ),
        );
        let seconds = time.as_secs_f64().ceil();
        report.row(
            "SQL statements during them",
            figure(statements),
            "",
            format!("none for a host; once a second an organization is compared ({seconds:.0} s)"),
        );
        Ok(())
    }
}
