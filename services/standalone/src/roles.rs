//! Every role, and who gets whom. The one place that knows the implementations.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use netpatch_auth::Auth;
use netpatch_chassis::rpc::RpcService;
use netpatch_chassis::{ContextSigner, Remote, WireError, configuration::Services, wire};
use netpatch_inventory::{
    DeltaSettings, DeltaStore, FeedSettings, Inventory, PayloadSettings, PayloadStore,
};
use netpatch_inventory_api::InventoryApi;
use netpatch_policy::{PolicyParts, PolicyService};
use netpatch_policy_api::PolicyApi;
use netpatch_reporting::{ReportingParts, ReportingService, ReportingSettings};
use netpatch_reporting_api::ReportingApi;
use netpatch_scheduler::{SchedulerParts, SchedulerService};
use netpatch_scheduler_api::SchedulerApi;
use netpatch_storage::{Blobs, Database, KeyFolder, SharedBus};
use netpatch_types::SharedClock;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What the roles are made of.
#[derive(Clone)]
pub struct Parts {
    /// Migrated.
    pub database: Database,
    /// Tiles, checkpoints, reports, differences between payloads.
    pub blobs: Blobs,
    /// Hints.
    pub bus: SharedBus,
    /// The time.
    pub clock: SharedClock,
    /// Secret keys.
    pub keys: KeyFolder,
    /// What an operator set about feeds.
    pub feeds: FeedSettings,
    /// How differences between payloads are bounded; `None`: none are made.
    pub deltas: Option<DeltaSettings>,
    /// How payloads that are kept are bounded; `None`: none are.
    pub payloads: Option<PayloadSettings>,
    /// Settings of reporting.
    pub reporting: ReportingSettings,
}

/// The roles of this process, and the way to each, here or elsewhere.
pub struct Roles {
    /// Identity; always here.
    pub auth: Auth,
    /// Inventory.
    pub inventory: Arc<dyn InventoryApi>,
    /// Policy.
    pub policy: Arc<dyn PolicyApi>,
    /// Scheduler.
    pub scheduler: Arc<dyn SchedulerApi>,
    /// Reporting.
    pub reporting: Arc<dyn ReportingApi>,
    /// What they store.
    pub blobs: Blobs,
    /// Their background work.
    pub jobs: Jobs,
}

/// The roles that run here, for their background work.
pub struct Jobs {
    /// Inventory.
    pub inventory: Option<Arc<Inventory>>,
    /// Policy.
    pub policy: Option<Arc<PolicyService>>,
    /// Scheduler.
    pub scheduler: Option<Arc<SchedulerService>>,
    /// Reporting.
    pub reporting: Option<Arc<ReportingService>>,
}

impl Jobs {
    /// Each role's background work, until `stop`, by name.
    pub fn all(
        &self,
        scheduler: &Arc<dyn SchedulerApi>,
        reporting: &Arc<dyn ReportingApi>,
        stop: &CancellationToken,
    ) -> Vec<(&'static str, BoxFuture<'static, ()>)> {
        let mut jobs: Vec<(&'static str, BoxFuture<'static, ()>)> = Vec::new();
        if let Some(role) = self.inventory.clone() {
            let (stop, scheduler) = (stop.clone(), Some(scheduler.clone()));
            jobs.push((
                "inventory",
                async move { role.run(scheduler, stop).await }.boxed(),
            ));
        }
        if let Some(role) = self.policy.clone() {
            let (stop, reporting) = (stop.clone(), reporting.clone());
            jobs.push((
                "policy",
                async move { role.run(reporting, stop).await }.boxed(),
            ));
        }
        if let Some(role) = self.scheduler.clone() {
            let (stop, reporting) = (stop.clone(), reporting.clone());
            jobs.push((
                "scheduler",
                async move { role.run(reporting, stop).await }.boxed(),
            ));
        }
        if let Some(role) = self.reporting.clone() {
            let stop = stop.clone();
            jobs.push(("reporting", async move { role.run(stop).await }.boxed()));
        }
        jobs
    }
}

/// The way from one role to another. In production [`Network`]; tests put a router and a client in between.
pub trait Wiring {
    /// A role that runs here (`local`) or at an address.
    fn wire<Api: RpcService + ?Sized>(
        &self,
        local: Option<Arc<Api>>,
        url: Option<&str>,
    ) -> Result<Arc<Api>, WireError>;
}

/// Here: the object itself; elsewhere: over HTTP.
pub struct Network {
    /// Signs request contexts.
    pub signer: ContextSigner,
}

impl Wiring for Network {
    fn wire<Api: RpcService + ?Sized>(
        &self,
        local: Option<Arc<Api>>,
        url: Option<&str>,
    ) -> Result<Arc<Api>, WireError> {
        wire(
            local,
            &Remote {
                url,
                signer: &self.signer,
            },
        )
    }
}

impl Roles {
    /// A role whose address is configured runs elsewhere; every other one is made here.
    pub fn new(parts: Parts, services: &Services, wiring: &impl Wiring) -> anyhow::Result<Self> {
        let Parts {
            database,
            blobs,
            bus,
            clock,
            keys,
            feeds,
            deltas,
            payloads,
            reporting: settings,
        } = parts;
        let deltas = deltas.map(|settings| DeltaStore {
            blobs: blobs.clone(),
            settings,
        });
        let payloads = payloads.map(|settings| PayloadStore {
            blobs: blobs.clone(),
            settings,
        });
        let auth = Auth::new(
            database.clone(),
            keys.clone(),
            clock.clone(),
            netpatch_auth::Settings::default(),
        );

        let own_inventory = services.inventory.is_none().then(|| {
            let (database, bus, clock) = (database.clone(), bus.clone(), clock.clone());
            Inventory::with_payloads(database, bus, clock, feeds, deltas, payloads)
        });
        let local = own_inventory
            .clone()
            .map(|role| role as Arc<dyn InventoryApi>);
        let inventory = wiring.wire(local, services.inventory.as_deref())?;

        let own_policy = services.policy.is_none().then(|| {
            Arc::new(PolicyService::new(PolicyParts {
                database: database.clone(),
                bus: bus.clone(),
                clock: clock.clone(),
                keys: keys.clone(),
                inventory: inventory.clone(),
            }))
        });
        let local = own_policy.clone().map(|role| role as Arc<dyn PolicyApi>);
        let policy = wiring.wire(local, services.policy.as_deref())?;

        let own_scheduler = services.scheduler.is_none().then(|| {
            Arc::new(SchedulerService::new(SchedulerParts {
                database: database.clone(),
                bus: bus.clone(),
                clock: clock.clone(),
                keys: keys.clone(),
                inventory: inventory.clone(),
                policy: policy.clone(),
            }))
        });
        let local = own_scheduler
            .clone()
            .map(|role| role as Arc<dyn SchedulerApi>);
        let scheduler = wiring.wire(local, services.scheduler.as_deref())?;

        let own_reporting = match services.reporting {
            Some(_) => None,
            None => Some(Arc::new(ReportingService::new(ReportingParts {
                database,
                blobs: blobs.clone(),
                bus,
                clock,
                keys,
                inventory: inventory.clone(),
                policy: policy.clone(),
                scheduler: scheduler.clone(),
                settings,
            })?)),
        };
        let local = own_reporting
            .clone()
            .map(|role| role as Arc<dyn ReportingApi>);
        let reporting = wiring.wire(local, services.reporting.as_deref())?;

        let jobs = Jobs {
            inventory: own_inventory,
            policy: own_policy,
            scheduler: own_scheduler,
            reporting: own_reporting,
        };
        Ok(Self {
            auth,
            inventory,
            policy,
            scheduler,
            reporting,
            blobs,
            jobs,
        })
    }
}
