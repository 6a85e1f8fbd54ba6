//! Queries. Root fields are nullable but for `viewer` and `rateLimit`: null is "absent, or not for you".

pub mod advisory;
pub mod approval;
pub mod asset;
pub mod baseline;
pub mod deployment;
pub mod exception;
pub mod finding;
pub mod hardware_rule;
pub mod host;
pub mod node;
pub mod organization;
pub mod patch;
pub mod platform;
pub mod policy;
pub mod relay;
pub mod risk;
pub mod window;

use async_graphql::MergedObject;

/// What can be read.
#[derive(MergedObject, Default)]
pub struct Query(
    node::NodeQuery,
    organization::OrganizationQuery,
    host::HostQuery,
    asset::AssetQuery,
    finding::FindingQuery,
    patch::PatchQuery,
    advisory::AdvisoryQuery,
    approval::ApprovalQuery,
    deployment::DeploymentQuery,
    policy::PolicyQuery,
    baseline::BaselineQuery,
    exception::ExceptionQuery,
    window::WindowQuery,
    relay::RelayQuery,
    risk::RiskQuery,
    hardware_rule::HardwareRuleQuery,
    platform::PlatformQuery,
);
