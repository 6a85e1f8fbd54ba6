//! Mutations: one `input`, one payload with nullable objects and `userErrors`.
//!
//! What the caller can mend is a user error in the payload; the platform's own trouble is a GraphQL error. Another organization's id
//! is `NOT_FOUND`.

pub mod approval;
pub mod asset;
pub mod baseline;
pub mod client;
pub mod compliance;
pub mod delegation;
pub mod deployment;
pub mod enrolment;
pub mod exception;
pub mod feed;
pub mod group;
pub mod hardware_rule;
pub mod host;
pub mod identity;
pub mod organization;
mod payload;
pub mod policy;
pub mod relay;
pub mod report;
pub mod risk;
pub mod site;
pub mod user;
pub mod webhook;
pub mod window;

pub(crate) use payload::{answer, payload};

use async_graphql::MergedObject;

/// What can be changed.
#[derive(MergedObject, Default)]
pub struct Mutation(
    organization::OrganizationMutation,
    site::SiteMutation,
    delegation::DelegationMutation,
    user::UserMutation,
    client::ClientMutation,
    enrolment::EnrolmentMutation,
    relay::RelayMutation,
    host::HostMutation,
    asset::AssetMutation,
    feed::FeedMutation,
    identity::IdentityMutation,
    group::GroupMutation,
    window::WindowMutation,
    policy::PolicyMutation,
    baseline::BaselineMutation,
    exception::ExceptionMutation,
    approval::ApprovalMutation,
    deployment::DeploymentMutation,
    compliance::ComplianceMutation,
    report::ReportMutation,
    risk::RiskMutation,
    hardware_rule::HardwareRuleMutation,
    webhook::WebhookMutation,
);
