//! One reporting service with its neighbours.

use crate::neighbours::Neighbours;
use netpatch_reporting::{ReportingParts, ReportingService, ReportingSettings, migrations};
use netpatch_reporting_api::{EventsAfter, ReportingApi, ReportingEvent, ReportingEventV1};
use netpatch_storage::keys::KeyFolder;
use netpatch_storage::{Blobs, bus};
use netpatch_testkit::{ManualClock, TestDatabase, test_context};
use netpatch_types::{Clock as _, RequestContext, SharedClock, TenantId};
use std::sync::Arc;
use tempfile::TempDir;

pub(crate) struct Rig {
    pub(crate) database: TestDatabase,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) neighbours: Neighbours,
    pub(crate) blobs: Blobs,
    pub(crate) folder: TempDir,
    pub(crate) service: Arc<ReportingService>,
    /// The service behind its router and client.
    pub(crate) api: Arc<dyn ReportingApi>,
    pub(crate) ctx: RequestContext,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::new(&[migrations()]).await;
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::shared();
        // Receivers compare the signature's time with the machine's clock.
        let now = netpatch_types::SystemClock::default().now();
        clock.set_wall(chrono::DateTime::from_timestamp(now.timestamp(), 0).unwrap());
        let blobs = Blobs::connect(&format!("file:{}", folder.path().join("blobs").display()))
            .await
            .unwrap();
        let neighbours = Neighbours::default();
        let mut ctx = test_context(clock.now());
        // Tests move the clock by days.
        ctx.deadline += chrono::Duration::days(400);
        let service = restart(&database, &blobs, &folder, &clock, &neighbours).await;
        let api = netpatch_chassis::through_rpc(
            Arc::clone(&service) as Arc<dyn ReportingApi>,
            clock.clone() as SharedClock,
        );
        Self {
            database,
            clock,
            neighbours,
            blobs,
            folder,
            service,
            api,
            ctx,
        }
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.ctx.write.unwrap()
    }

    /// Another process over the same database and blobs.
    pub(crate) async fn another(&self) -> Arc<ReportingService> {
        restart(
            &self.database,
            &self.blobs,
            &self.folder,
            &self.clock,
            &self.neighbours,
        )
        .await
    }

    /// What reporting has told the others.
    pub(crate) async fn told(&self) -> Vec<ReportingEventV1> {
        self.database.settle("reporting").await;
        let page = self
            .api
            .events(
                &self.ctx,
                EventsAfter {
                    limit: 1000,
                    ..EventsAfter::default()
                },
            )
            .await
            .unwrap();
        let event = |payload| match serde_json::from_value(payload).unwrap() {
            ReportingEvent::V1(event) => event,
        };
        page.events
            .into_iter()
            .map(|envelope| event(envelope.payload))
            .collect()
    }
}

async fn restart(
    database: &TestDatabase,
    blobs: &Blobs,
    folder: &TempDir,
    clock: &Arc<ManualClock>,
    neighbours: &Neighbours,
) -> Arc<ReportingService> {
    let clock: SharedClock = Arc::clone(clock) as SharedClock;
    let parts = ReportingParts {
        database: database.database().clone(),
        blobs: blobs.clone(),
        bus: bus::connect("memory:").await.unwrap(),
        keys: KeyFolder::open(folder.path().join("keys")).unwrap(),
        inventory: neighbours.inventory(&clock),
        policy: neighbours.policy(&clock),
        scheduler: neighbours.scheduler(&clock),
        settings: ReportingSettings {
            allow_private_webhooks: true,
            ..ReportingSettings::default()
        },
        clock,
    };
    Arc::new(ReportingService::new(parts).unwrap())
}
