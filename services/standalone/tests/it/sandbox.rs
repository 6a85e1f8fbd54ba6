//! All roles with their jobs over a database of their own.

use netpatch::roles::{Parts, Roles, Wiring};
use netpatch_chassis::rpc::RpcService;
use netpatch_chassis::{WireError, through_rpc};
use netpatch_inventory::{DeltaSettings, PayloadSettings};
use netpatch_reporting::ReportingSettings;
use netpatch_storage::{
    Blobs, Database, KeyFolder, Migrations, PoolSettings, bus, postgres, roles,
};
use netpatch_testkit::TestDatabase;
use netpatch_types::{RequestContext, SharedClock, SystemClock, TenantId};
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) fn migrations() -> [Migrations; 5] {
    [
        netpatch_auth::migrations(),
        netpatch_inventory::migrations(),
        netpatch_policy::migrations(),
        netpatch_scheduler::migrations(),
        netpatch_reporting::migrations(),
    ]
}

/// How the roles reach each other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Topology {
    /// The object itself.
    Direct,
    /// Router and client, without a socket.
    Rpc,
}

struct Between {
    topology: Topology,
    clock: SharedClock,
}

impl Wiring for Between {
    fn wire<Api: RpcService + ?Sized>(
        &self,
        local: Option<Arc<Api>>,
        _: Option<&str>,
    ) -> Result<Arc<Api>, WireError> {
        let local = local.expect("every role runs here");
        Ok(match self.topology {
            Topology::Direct => local,
            Topology::Rpc => through_rpc(local, self.clock.clone()),
        })
    }
}

fn keeping(store_bytes: u64) -> PayloadSettings {
    PayloadSettings {
        store_bytes,
        // Where tests have their repositories.
        private_hosts: vec!["127.0.0.1".into()],
        ..PayloadSettings::default()
    }
}

pub(crate) struct Sandbox {
    pub(crate) roles: Roles,
    pub(crate) clock: SharedClock,
    _stop: DropGuard,
    _database: Option<TestDatabase>,
    _folder: tempfile::TempDir,
}

impl Sandbox {
    pub(crate) async fn new(topology: Topology) -> Self {
        Self::at(topology, SystemClock::shared()).await
    }

    /// With a clock of the test's own.
    pub(crate) async fn at(topology: Topology, clock: SharedClock) -> Self {
        Self::over(
            topology,
            clock,
            None,
            keeping(PayloadSettings::default().store_bytes),
        )
        .await
    }

    /// That keeps so many bytes of payloads.
    pub(crate) async fn keeping(topology: Topology, store_bytes: u64) -> Self {
        Self::over(topology, SystemClock::shared(), None, keeping(store_bytes)).await
    }

    /// With a blob store of the test's own.
    pub(crate) async fn with_blobs(topology: Topology, blobs: &str) -> Self {
        let keeping = keeping(PayloadSettings::default().store_bytes);
        Self::over(topology, SystemClock::shared(), Some(blobs), keeping).await
    }

    async fn over(
        topology: Topology,
        clock: SharedClock,
        blobs: Option<&str>,
        payloads: PayloadSettings,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = format!("file:{}", folder.path().join("blobs").display());
        let blobs = blobs.unwrap_or(&own);
        let database = TestDatabase::new(&migrations()).await;
        let parts = Parts {
            database: database.database().clone(),
            blobs: Blobs::connect(blobs).await.unwrap(),
            bus: bus::connect("memory:").await.unwrap(),
            clock: clock.clone(),
            keys: KeyFolder::open(folder.path().join("keys")).unwrap(),
            feeds: netpatch_inventory::FeedSettings::default(),
            deltas: Some(DeltaSettings {
                // Where tests have their repositories.
                private_hosts: vec!["127.0.0.1".into()],
                ..DeltaSettings::default()
            }),
            payloads: Some(payloads),
            reporting: ReportingSettings::default(),
        };
        let between = Between {
            topology,
            clock: clock.clone(),
        };
        let services = netpatch_chassis::Sources::new().load().unwrap().services;
        let roles = Roles::new(parts, &services, &between).unwrap();
        let stop = CancellationToken::new();
        for (_, job) in roles.jobs.all(&roles.scheduler, &roles.reporting, &stop) {
            tokio::spawn(job);
        }
        Self {
            roles,
            clock,
            _stop: stop.drop_guard(),
            _database: Some(database),
            _folder: folder,
        }
    }

    /// The roles without their jobs over the database and the keys of a running `netpatch serve`: the way in for calls,
    /// while all background work is done by that process alone.
    pub(crate) async fn beside(data_dir: &Path) -> Self {
        let running = postgres::attach(&data_dir.join("postgres"))
            .unwrap()
            .expect("the platform runs its database");
        let urls = roles::bootstrap(&running.admin_url("postgres"), "netpatch")
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let clock: SharedClock = SystemClock::shared();
        let parts = Parts {
            database: Database::connect(&urls, &PoolSettings::default())
                .await
                .unwrap(),
            blobs: Blobs::connect(&format!("file:{}", folder.path().display()))
                .await
                .unwrap(),
            bus: bus::connect("memory:").await.unwrap(),
            clock: clock.clone(),
            keys: KeyFolder::open(data_dir.join("keys")).unwrap(),
            feeds: netpatch_inventory::FeedSettings::default(),
            deltas: None,
            payloads: None,
            reporting: ReportingSettings::default(),
        };
        let between = Between {
            topology: Topology::Direct,
            clock: clock.clone(),
        };
        let services = netpatch_chassis::Sources::new().load().unwrap().services;
        Self {
            roles: Roles::new(parts, &services, &between).unwrap(),
            clock,
            _stop: CancellationToken::new().drop_guard(),
            _database: None,
            _folder: folder,
        }
    }

    /// The platform itself in an organization.
    pub(crate) fn system(&self, tenant: TenantId) -> RequestContext {
        RequestContext::system(tenant, "test", self.clock.now())
    }

    /// A person with every right in an organization.
    pub(crate) fn person(&self, tenant: TenantId, name: &str) -> RequestContext {
        let mut ctx = self.system(tenant);
        ctx.actor.kind = netpatch_types::ActorKind::User;
        ctx.actor.id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes());
        ctx.actor.display = name.to_owned();
        ctx
    }
}
