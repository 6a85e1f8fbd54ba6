//! The service over its database, as two processes would have it.

use crate::report::{Report, figure};
use crate::server::{Server, value};
use anyhow::Result;
use netpatch_inventory::Inventory;
use netpatch_storage::bus::MemoryBus;
use netpatch_storage::roles::bootstrap;
use netpatch_storage::{Database, PoolSettings};
use netpatch_types::{RequestContext, SharedClock, SystemClock, TenantId};
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

const DATABASE: &str = "netpatch";

/// The service over its database.
pub(super) struct Platform {
    pub(super) server: Server,
    pub(super) admin: DatabaseConnection,
    /// Two as in two processes: they share nothing but the database.
    pub(super) inventories: [Arc<Inventory>; 2],
    clock: SharedClock,
}

impl Platform {
    pub(super) async fn start() -> Result<Self> {
        let server = Server::start(true).await?;
        let urls = bootstrap(&server.admin_url("postgres"), DATABASE).await?;
        let settings = PoolSettings::default();
        let migrations = [netpatch_inventory::migrations()];
        let clock: SharedClock = Arc::new(SystemClock::default());
        let make =
            |database| Inventory::new(database, Arc::new(MemoryBus::default()), clock.clone());
        let inventories = [
            make(Database::open(&urls, &settings, &migrations).await?),
            make(Database::connect(&urls, &settings).await?),
        ];
        let admin = server.admin(DATABASE).await?;
        Ok(Self {
            server,
            admin,
            inventories,
            clock,
        })
    }

    pub(super) fn organization(&self) -> RequestContext {
        let now = self.clock.now();
        let mut ctx = RequestContext::system(TenantId::from(Uuid::now_v7()), "load test", now);
        ctx.deadline = now + chrono::Duration::days(1);
        ctx
    }

    pub(super) async fn deadlocks(&self) -> Result<i64> {
        value(
            &self.admin,
            "select deadlocks from pg_stat_database where datname = current_database()",
        )
        .await
    }

    /// Statements that the server logs while `work` runs.
    pub(super) async fn statements<T>(
        &self,
        work: impl Future<Output = Result<T>>,
    ) -> Result<(T, usize)> {
        let set = async |to: &str| -> Result<()> {
            self.admin
                .execute_unprepared(&format!("alter system set log_statement = '{to}'"))
                .await?;
            self.admin
                .execute_unprepared("select pg_reload_conf()")
                .await?;
            tokio::time::sleep(Duration::from_millis(500)).await;
            Ok(())
        };
        set("all").await?;
        let before = self.server.logged_statements()?;
        let done = work.await?;
        let after = self.server.logged_statements()?;
        set("none").await?;
        Ok((done, after - before))
    }

    /// Evaluates the hosts that wait.
    pub(super) async fn drain(&self, what: &str, report: &mut Report) -> Result<f64> {
        let waiting: i64 = value(&self.admin, "select count(*) from inventory.evaluations").await?;
        let started = Instant::now();
        self.inventories[0].reevaluate().await?;
        let time = started.elapsed().as_secs_f64();
        let rate = figure(waiting.unsigned_abs()) / time;
        report.row(
            format!("evaluation drains after {what}"),
            rate,
            "hosts/s",
            format!("{waiting} hosts in {time:.1} s, one process"),
        );
        Ok(rate)
    }
}
