//! What policy decides: which patches may go where, when, and who said so.
//!
//! Deny by default: a (patch, group) without a rule that approves it waits for a person; without an approval there is
//! no order, without a window there is no install. Every call needs the right that its documentation names and
//! answers `NotFound` for another organization's ids.

pub mod approval;
pub mod baseline;
pub mod block;
pub mod event;
pub mod exception;
pub mod membership;
pub mod rule;
pub mod scan;
pub mod site;
pub mod window;

pub use approval::*;
pub use baseline::*;
pub use block::*;
pub use event::*;
pub use exception::*;
pub use membership::*;
pub use netpatch_types::EventsAfter;
pub use rule::*;
pub use scan::*;
pub use site::*;
pub use window::*;

use netpatch_types::{EventPage, Page};
use serde::{Deserialize, Serialize};

/// Nothing to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

netpatch_chassis::rpc_service! {
    /// What policy decides.
    pub service PolicyApi, PolicyClient, fn policy_router, "policy" {
        /// A new policy. `PolicyWrite`.
        policy_create(PolicyCreate) -> Policy;
        /// Changes a policy; `if_match` guards. `PolicyWrite`.
        policy_update(PolicyUpdate) -> Policy;
        /// One policy. `Read`.
        policy_get(PolicyGet) -> Policy;
        /// Policies in order of name. `Read`.
        policy_list(PolicyList) -> Page<Policy>;
        /// Decides anew for everything that hosts offer now; normally events do this. `PolicyWrite`.
        policy_evaluate(PolicyEvaluate) -> Vec<Approval>;
        /// What the policies say of a patch on a host, and why. `Read`.
        policy_explain(PolicyExplain) -> Explanation;
        /// A new maintenance window. `PolicyWrite`.
        window_create(WindowCreate) -> MaintenanceWindow;
        /// Changes a window. `PolicyWrite`.
        window_update(WindowUpdate) -> MaintenanceWindow;
        /// One window. `Read`.
        window_get(WindowGet) -> MaintenanceWindow;
        /// Windows in order of name. `Read`.
        window_list(WindowList) -> Page<MaintenanceWindow>;
        /// The next occurrences of a window in a zone. `Read`.
        window_preview(WindowPreview) -> Vec<Occurrence>;
        /// Approvals, those that wait first. `Read`.
        approval_list(ApprovalList) -> Page<Approval>;
        /// One approval. `Read`.
        approval_get(ApprovalGet) -> Approval;
        /// A person decides. Requester ≠ approver; API clients never. `Approve`.
        approval_decide(ApprovalDecide) -> Approval;
        /// Asks people about a patch in a group. `Deploy`.
        approval_request(ApprovalRequest) -> Approval;
        /// The usable (logged, not expired, content unchanged) approvals for patches in a group, with what is missing. `Read`.
        approval_usable(ApprovalUsable) -> Usable;
        /// The block list. `Read`.
        block_list(BlockList) -> Vec<BlockEntry>;
        /// Never install a package (glob), or again. `PolicyWrite`.
        block_set(BlockSet) -> Vec<BlockEntry>;
        /// When the hosts of sites are scanned. `Read`.
        scan_schedule_list(ScanScheduleList) -> Vec<ScanSchedule>;
        /// When the hosts of a site are scanned, or as each of them says itself. `PolicyWrite`, over that site.
        scan_schedule_set(ScanScheduleSet) -> Option<ScanSchedule>;
        /// Whether the hosts of a site may go past its relays. Only the platform itself says so.
        site_way_set(SiteWay) -> SiteWay;
        /// A new baseline. `PolicyWrite`.
        baseline_create(BaselineCreate) -> Baseline;
        /// Changes a baseline; `if_match` guards. `PolicyWrite`.
        baseline_update(BaselineUpdate) -> Baseline;
        /// Ends a baseline; it stays for the record. `PolicyWrite`.
        baseline_archive(BaselineArchive) -> Baseline;
        /// One baseline. `Read`.
        baseline_get(BaselineGet) -> Baseline;
        /// Baselines in order of name. `Read`.
        baseline_list(BaselineList) -> Page<Baseline>;
        /// Asks people to accept lateness until a date. `Deploy`.
        exception_request(ExceptionRequest) -> Exception;
        /// Ends an exception; the dates hold again that the rules demand. `Deploy`.
        exception_end(ExceptionEnd) -> Exception;
        /// One exception. `Read`.
        exception_get(ExceptionGet) -> Exception;
        /// Exceptions, newest first. `Read`.
        exception_list(ExceptionList) -> Page<Exception>;
        /// The signed membership document of a host, if newer than what the agent holds. System.
        membership_get(MembershipGet) -> Option<Membership>;
        /// The same for many hosts; those that hold the newest, and those that nobody knows, are left out. System.
        membership_list(MembershipList) -> Vec<HostMembership>;
        /// The approval key of the organization, made at first use. System.
        approval_key(ApprovalKeyGet) -> ApprovalKey;
        /// Events in commit order. System.
        events(EventsAfter) -> EventPage;
    }
}
