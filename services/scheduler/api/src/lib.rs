//! What the scheduler runs: deployments, their waves, one signed order each, and the runs of hosts.
//!
//! The agent's journal is the truth of a run; the scheduler holds a lease on it. Nothing is "in progress" without a
//! live lease. Every call needs the right that its documentation names and answers `NotFound` for another
//! organization's ids.

pub mod deployment;
pub mod event;
pub mod order;
pub mod run;
pub mod staging;
pub mod wave;

pub use deployment::*;
pub use event::*;
pub use netpatch_types::EventsAfter;
pub use order::*;
pub use run::*;
pub use staging::*;
pub use wave::*;

use netpatch_types::{EventPage, Page};

netpatch_chassis::rpc_service! {
    /// What the scheduler runs.
    pub service SchedulerApi, SchedulerClient, fn scheduler_router, "scheduler" {
        /// Plans and, unless `dry_run`, creates a deployment of approved patches. `Deploy`.
        deployment_create(DeploymentCreate) -> DeploymentPlan;
        /// One deployment. `Read`.
        deployment_get(DeploymentGet) -> Deployment;
        /// Deployments, newest first. `Read`.
        deployment_list(DeploymentList) -> Page<Deployment>;
        /// No new run starts until resumed. `Stop`.
        deployment_pause(DeploymentChange) -> Deployment;
        /// Goes on after a pause; after a halt only with a new approval and a new sequence. `Resume`.
        deployment_resume(DeploymentChange) -> Deployment;
        /// The kill switch: no install starts after the halt arrives, nor later than halt + lease. `Stop`.
        deployment_halt(DeploymentChange) -> Deployment;
        /// Ends it. Final. `Stop`.
        deployment_cancel(DeploymentChange) -> Deployment;
        /// Waves of a deployment in order. `Read`.
        wave_list(WaveList) -> Vec<Wave>;
        /// One wave. `Read`.
        wave_get(WaveGet) -> Wave;
        /// Runs, newest first. `Read`.
        run_list(RunList) -> Page<Run>;
        /// One run with its events. `Read`.
        run_get(RunGet) -> Run;
        /// Stores what an agent journalled; idempotent by (deployment, host, sequence, attempt, step). System.
        run_report(RunReport) -> RunStored;
        /// An agent's answer to an order. System.
        order_answer(OrderAnswered) -> RunStored;
        /// Released, unexpired documents that a host should hold: orders and halts. System.
        documents_for_host(DocumentsForHost) -> Vec<HostDocument>;
        /// The same for many hosts. System.
        documents_for_hosts(DocumentsForHosts) -> HostsDocuments;
        /// A signed freshness statement of a deployment, now. System.
        freshness(FreshnessGet) -> SignedBytes;
        /// A signed statement of the platform's time. System.
        time_sign(TimeSign) -> SignedBytes;
        /// The director key of the organization, made at first use. System.
        director_key(DirectorKeyGet) -> DirectorKey;
        /// All signed documents of a deployment, for the evidence pack. `LedgerRead`.
        deployment_documents(DeploymentGet) -> Vec<LoggedDocument>;
        /// What the relays of a site are to fetch ahead: what hosts there still need of approved deployments. System.
        staging_plan(StagingPlanGet) -> StagingPlan;
        /// Which of these the approved deployments of any organization name that are not over. System.
        payloads_needed(PayloadsNeeded) -> Vec<netpatch_types::Sha256>;
        /// Events in commit order. System.
        events(EventsAfter) -> EventPage;
    }
}
