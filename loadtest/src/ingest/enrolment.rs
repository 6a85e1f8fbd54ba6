//! Hosts that are new.

use super::Scenario;
use crate::report::{Goal, Report, figure};
use anyhow::{Context, Result};
use netpatch_inventory_api::{HostFacts, HostRegister, InventoryApi as _, ManifestReport};
use netpatch_types::{HostId, Labels, Sha256, SiteId};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Facts of a host of this name.
pub(super) fn facts(name: &str) -> HostFacts {
    HostFacts {
        hostname: name.to_owned(),
        machine_id: Sha256::of(name.as_bytes()).to_string(),
        os_id: "debian".into(),
        os_version: "12".into(),
        os_release: "bookworm".into(),
        os_name: "Debian GNU/Linux 12 (bookworm)".into(),
        arch: "amd64".into(),
        kernel: "6.1.0-30-amd64".into(),
        time_zone: "Europe/Berlin".into(),
        cpu_count: 4,
        memory_bytes: 8 << 30,
        disk_free_bytes: 20 << 30,
        boot_id: "3f2c1a52-8f8e-4a58-9d0e-1f7b0c6a1b11".into(),
        ..HostFacts::default()
    }
}

impl Scenario<'_> {
    /// New hosts: register, then report, as an agent does.
    pub(super) async fn enrol(&self, report: &mut Report) -> Result<()> {
        let Self {
            options,
            platform,
            manifests,
            ..
        } = self;
        let ctx = platform.organization();
        let site = SiteId(Uuid::now_v7());
        let turns = Arc::new(Semaphore::new(options.callers));
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for number in 0..options.enrolled {
            let inventory = Arc::clone(&platform.inventories[0]);
            let (ctx, manifests, turns) = (ctx.clone(), Arc::clone(manifests), Arc::clone(&turns));
            tasks.spawn(async move {
                let _turn = turns.acquire().await;
                let register = HostRegister {
                    id: HostId(Uuid::now_v7()),
                    site,
                    facts: facts(&format!("new-{number}")),
                    labels: Labels::new(),
                };
                let host = inventory.host_register(&ctx, register).await?.id;
                let (hash, components) = manifests.of_host(number);
                let whole = ManifestReport {
                    host,
                    hash,
                    components,
                };
                inventory.manifest_report(&ctx, whole).await
            });
        }
        while let Some(done) = tasks.join_next().await {
            done?.context("an enrolment")?;
        }
        let time = started.elapsed().as_secs_f64();
        report.goal(
            "first enrolment: register and first manifest",
            figure(options.enrolled) / time,
            "hosts/s",
            Goal::AtLeast(1_500.0),
            format!(
                "{} hosts in {time:.1} s; a host registers, then reports",
                options.enrolled
            ),
        );
        platform
            .drain("enrolment, no advisory imported", report)
            .await?;
        Ok(())
    }
}
