//! Enumerations, in the words of the services.

use async_graphql::Enum;

/// What kind of principal acts.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_types::ActorKind")]
pub enum ActorKind {
    /// A person.
    User,
    /// A program with client credentials; it never approves.
    ApiClient,
    /// A host's agent.
    Agent,
    /// A relay.
    Relay,
    /// The platform itself: jobs, rules.
    System,
}

/// Rights in an organization.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_types::Permission")]
pub enum Permission {
    /// Read hosts, findings, patches, deployments.
    Read,
    /// Scan now.
    Scan,
    /// Plan and create deployments; ask for approval.
    Deploy,
    /// Pause, halt, cancel.
    Stop,
    /// Resume.
    Resume,
    /// Decide approvals.
    Approve,
    /// Write policies, windows, groups, the block list.
    PolicyWrite,
    /// Make enrolment tokens, claim relays.
    Enrol,
    /// Reports and webhooks.
    Report,
    /// Read the ledger.
    LedgerRead,
    /// Write what is known of assets; import them.
    AssetWrite,
    /// Organizations, sites, users, API clients, delegations.
    Admin,
}

/// Partner or customer.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_auth::OrganizationKind")]
pub enum OrganizationKind {
    /// Acts for customers by delegation.
    Partner,
    /// Owns hosts.
    Customer,
}

/// A person's role in an organization.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_auth::Role")]
pub enum Role {
    /// Everything.
    Owner,
    /// Looks, scans, stops.
    Technician,
    /// Plans, and approves what others asked for.
    PatchAdmin,
    /// Decides approvals.
    Approver,
    /// One site's person.
    SiteOperator,
    /// Reads everything, changes nothing.
    Auditor,
}

/// How a delegation stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_auth::DelegationStatus")]
pub enum DelegationStatus {
    /// The customer has not decided.
    Pending,
    /// In force until it expires.
    Active,
    /// Past its end.
    Expired,
    /// Ended by the customer.
    Revoked,
}

/// How a relay stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayStatus {
    /// Waits for a person to type its code.
    Unclaimed,
    /// Reported within 90 seconds.
    Online,
    /// Reported within 10 minutes.
    Degraded,
    /// Longer ago, or never.
    Offline,
}

impl From<netpatch_auth::RelayStatus> for RelayStatus {
    fn from(status: netpatch_auth::RelayStatus) -> Self {
        match status {
            netpatch_auth::RelayStatus::Online => Self::Online,
            netpatch_auth::RelayStatus::Degraded => Self::Degraded,
            netpatch_auth::RelayStatus::Offline => Self::Offline,
        }
    }
}

/// The vendor's word for how bad it is, worst first.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_types::Severity")]
pub enum Severity {
    /// CVSS 9.0–10.0, or known to be exploited.
    Critical,
    /// CVSS 7.0–8.9.
    High,
    /// Nobody has said yet; never treated as harmless.
    Unknown,
    /// CVSS 4.0–6.9.
    Medium,
    /// CVSS 0.1–3.9.
    Low,
}

/// What kind of change a patch is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_types::Classification")]
pub enum PatchClassification {
    /// Closes an advisory of critical severity or one known to be exploited.
    Critical,
    /// Closes at least one advisory.
    Security,
    /// A fix without an advisory.
    Update,
    /// A new feature release.
    Feature,
    /// A driver.
    Driver,
    /// Firmware.
    Firmware,
}

/// How a host stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    /// No open finding.
    Compliant,
    /// At least one open finding.
    NonCompliant,
    /// Updated, but not booted into the update.
    RebootPending,
    /// Never scanned, or not seen for seven days: neither compliant nor not.
    UnknownStale,
    /// Open findings that somebody accepted.
    Exception,
}

/// What can be done about a finding now.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_inventory_api::Applicability")]
pub enum Applicability {
    /// It applies; there is a fix, but no origin of the host offers it.
    Applicable,
    /// An origin of the host offers the fix.
    Installable,
    /// Offered, but phased.
    Phased,
    /// Offered, but held on the host.
    Held,
    /// It applies, and no version has the fix yet.
    NoFixYet,
    /// The fix is installed, but the old code still runs: restart the host.
    PendingReboot,
    /// A newer sibling is installed; this one was left behind: remove it.
    Superseded,
}

/// What a rule decides.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyDecision {
    /// Approve without a person.
    Approve,
    /// So many distinct people must approve.
    RequireApprovals,
    /// Decide again later.
    Defer,
    /// Never.
    Block,
}

/// Where an approval stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_policy_api::ApprovalStatus")]
pub enum ApprovalStatus {
    /// A person must decide.
    Awaiting,
    /// Approved; usable once it stands in the ledger.
    Approved,
    /// No.
    Declined,
    /// Not now.
    Deferred,
    /// Never.
    Banned,
    /// Too late, or the content changed.
    Expired,
}

/// What a person says.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_policy_api::Verdict")]
pub enum ApprovalVerdict {
    /// Yes.
    Approve,
    /// No.
    Decline,
    /// Not now.
    Defer,
    /// Never.
    Ban,
}

/// Where a deployment stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_scheduler_api::DeploymentStatus")]
pub enum DeploymentStatus {
    /// Being planned.
    Draft,
    /// A person must decide.
    AwaitingApproval,
    /// Planned; no wave is open yet.
    Scheduled,
    /// A wave is open.
    Running,
    /// A person stopped it for a while.
    Paused,
    /// A gate or the kill switch stopped it.
    Halted,
    /// Every wave passed.
    Completed,
    /// Ended by a person.
    Cancelled,
}

/// Where a wave stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_scheduler_api::WaveStatus")]
pub enum WaveStatus {
    /// Behind the gate of the wave before.
    Waiting,
    /// Its order is out; hosts run in their windows.
    Open,
    /// No new runs; the last ones end.
    Closing,
    /// The gate is satisfied.
    Passed,
    /// The gate is not satisfied.
    Failed,
}

/// Where a run stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_scheduler_api::RunStatus")]
pub enum RunStatus {
    /// The order was sent.
    Offered,
    /// The agent will run it.
    Accepted,
    /// Payloads are being fetched.
    Staging,
    /// Everything is on the host.
    Staged,
    /// The window is not open yet.
    WaitingForWindow,
    /// State is being saved.
    Snapshotting,
    /// The package manager is at work.
    Installing,
    /// The result is being checked.
    Verifying,
    /// A reboot is needed.
    RebootPending,
    /// On its way down and up.
    Rebooting,
    /// Installed and verified on the host.
    Succeeded,
    /// Failed; the error says why.
    Failed,
    /// Going back to the state before.
    RollingBack,
    /// Back in the state before.
    RolledBack,
    /// The way back failed too.
    RollbackFailed,
    /// The agent refused the order.
    Refused,
    /// Too late.
    Expired,
    /// Ended by a person before it began.
    Cancelled,
}

/// What a report contains.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// Proof bundle of a deployment, for offline verification.
    EvidencePack,
    /// Open findings as CSV.
    FindingsCsv,
    /// Runs of a deployment as CSV.
    RunsCsv,
}

/// Where a report stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_reporting_api::ReportStatus")]
pub enum ReportStatus {
    /// Being made.
    Running,
    /// To be fetched.
    Ready,
    /// Could not be made.
    Failed,
}

/// A published rule set for deadlines, or the organization's own.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_inventory_api::Standard")]
pub enum Standard {
    /// The organization's own rules.
    Own,
    /// CISA Binding Operational Directive 26-04.
    CisaBod2604,
    /// CISA Binding Operational Directive 22-01; revoked.
    CisaBod2201,
    /// PCI DSS 4.0.1, requirement 6.3.3.
    PciDss401,
    /// ASD Essential Eight, maturity level one.
    EssentialEightOne,
    /// ASD Essential Eight, maturity level two.
    EssentialEightTwo,
    /// ASD Essential Eight, maturity level three.
    EssentialEightThree,
    /// ISO/IEC 27001:2022, A.8.8: with the organization's own dates.
    Iso27001,
}

/// Who says what a host consists of.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_inventory_api::SoftwareOrigin")]
pub enum SoftwareOrigin {
    /// Its agent.
    Agent,
    /// A CycloneDX document: the host has no agent.
    CycloneDx,
    /// A GLPI agent: the host has no agent of ours.
    Glpi,
}

/// Where an exception stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_policy_api::ExceptionStatus")]
pub enum ExceptionStatus {
    /// People must decide, or the ledger does not have it yet.
    Awaiting,
    /// It moves deadlines.
    InForce,
    /// People said no.
    Declined,
    /// Its end has come.
    Expired,
    /// Somebody ended it.
    Ended,
}

/// Keys of an order of findings.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_inventory_api::FindingOrder")]
pub enum FindingOrderField {
    /// Highest risk first.
    Risk,
    /// Earliest deadline first; what has none comes last.
    Deadline,
}

/// What counts in the risk.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_inventory_api::RiskInput")]
pub enum RiskInput {
    /// Known exploited, says CISA.
    Kev,
    /// Used by ransomware, says CISA.
    Ransomware,
    /// Probability of exploitation (FIRST EPSS).
    Epss,
    /// The worst case (CVSS base score).
    Cvss,
    /// How easily and how badly (CISA SSVC).
    Ssvc,
    /// Who reaches the host.
    Exposure,
    /// How much depends on the host.
    Criticality,
}

/// When the clock of a rule of the organization starts.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "netpatch_policy_api::ClockStart")]
pub enum ClockStart {
    /// When the finding was seen first on the host.
    FirstSeen,
    /// When the vendor published it; first seen where no date is given.
    Published,
}
