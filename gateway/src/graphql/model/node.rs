//! Everything that has an id.

use crate::graphql::Result;
use crate::graphql::context::{Session, absent};
use async_graphql::{ID, Interface};
use netpatch_inventory_api as inventory;
use netpatch_types::*;

/// Something with an id.
#[derive(Clone, Interface)]
#[graphql(field(
    name = "id",
    ty = "ID",
    desc = "Opaque, case-sensitive, at most 64 characters."
))]
#[allow(
    missing_docs,
    clippy::large_enum_variant,
    reason = "the variants are the types"
)]
pub enum Node {
    Organization(super::Organization),
    Delegation(super::Delegation),
    Site(super::Site),
    Relay(super::Relay),
    Group(super::Group),
    Host(super::Host),
    Asset(super::Asset),
    Component(super::Component),
    Advisory(super::Advisory),
    Finding(super::Finding),
    Patch(super::Patch),
    Policy(super::Policy),
    MaintenanceWindow(super::MaintenanceWindow),
    Baseline(super::Baseline),
    Exception(super::Exception),
    Approval(super::Approval),
    Deployment(super::Deployment),
    Wave(super::Wave),
    Run(super::Run),
    ComplianceSnapshot(super::ComplianceSnapshot),
    LedgerEntry(super::LedgerEntry),
    Report(super::Report),
    Webhook(super::Webhook),
    WebhookDelivery(super::WebhookDelivery),
    EnrolmentToken(super::EnrolmentToken),
}

/// Whatever has this id; absent, unreadable and another organization's look the same.
pub(crate) async fn find(session: &Session, id: &str) -> Result<Option<Node>> {
    session.principal()?;
    match PublicId::parse(id) {
        Some(PublicId::Tenant {
            prefix,
            organization,
            object,
        }) => tenant(session, prefix, organization, object).await,
        Some(PublicId::Catalog { prefix, object }) => catalog(session, prefix, object).await,
        None => Ok(None),
    }
}

async fn tenant(
    session: &Session,
    prefix: &str,
    of: OrganizationId,
    object: uuid::Uuid,
) -> Result<Option<Node>> {
    Ok(match prefix {
        OrganizationId::PREFIX if of.0 == object => super::organization::find(session, of)
            .await?
            .map(Node::from),
        DelegationId::PREFIX => super::organization::find_delegation(session, of, object.into())
            .await?
            .map(Node::from),
        SiteId::PREFIX => {
            let Some(ctx) = absent(session.inside(of))? else {
                return Ok(None);
            };
            let site = session
                .apis
                .auth
                .site_get(&crate::graphql::context::readable(ctx)?, object.into())
                .await;
            absent(site)?.map(|site| Node::from(super::Site(site)))
        }
        RelayId::PREFIX => {
            let Some(ctx) = absent(session.inside(of))? else {
                return Ok(None);
            };
            let relay = session
                .apis
                .auth
                .relay_get(&crate::graphql::context::readable(ctx)?, object.into())
                .await;
            absent(relay)?.map(|relay| Node::from(super::Relay(relay)))
        }
        GroupId::PREFIX => {
            let Some(ctx) = absent(session.inside(of))? else {
                return Ok(None);
            };
            let groups = session
                .apis
                .inventory
                .group_list(&ctx, inventory::GroupList {})
                .await?;
            groups
                .into_iter()
                .find(|group| group.id.0 == object)
                .map(|group| Node::from(super::Group(group)))
        }
        HostId::PREFIX => super::host::find(session, of, object.into())
            .await?
            .map(Node::from),
        AssetId::PREFIX => super::asset::find(session, of, object.into())
            .await?
            .map(Node::from),
        FindingId::PREFIX => super::finding::find(session, of, object.into())
            .await?
            .map(Node::from),
        PolicyId::PREFIX => super::policy::find(session, of, object.into())
            .await?
            .map(Node::from),
        BaselineId::PREFIX => super::baseline::find(session, of, object.into())
            .await?
            .map(Node::from),
        ExceptionId::PREFIX => super::exception::find(session, of, object.into())
            .await?
            .map(Node::from),
        WindowId::PREFIX => super::window::find(session, of, object.into())
            .await?
            .map(Node::from),
        ApprovalId::PREFIX => super::approval::find(session, of, object.into())
            .await?
            .map(Node::from),
        DeploymentId::PREFIX => super::deployment::find(session, of, object.into())
            .await?
            .map(Node::from),
        WaveId::PREFIX => super::wave::find(session, of, object.into())
            .await?
            .map(Node::from),
        RunId::PREFIX => super::run::find(session, of, object.into())
            .await?
            .map(Node::from),
        ComplianceSnapshotId::PREFIX => super::compliance::find(session, of, object.into())
            .await?
            .map(Node::from),
        LedgerEntryId::PREFIX => super::ledger::find(session, of, object.into())
            .await?
            .map(Node::from),
        ReportId::PREFIX => super::report::find(session, of, object.into())
            .await?
            .map(Node::from),
        WebhookId::PREFIX => super::webhook::find(session, of, object.into())
            .await?
            .map(Node::from),
        WebhookDeliveryId::PREFIX => super::webhook::find_delivery(session, of, object.into())
            .await?
            .map(Node::from),
        EnrolmentTokenId::PREFIX => super::enrolment::find(session, of, object.into())
            .await?
            .map(Node::from),
        _ => None,
    })
}

async fn catalog(session: &Session, prefix: &str, object: uuid::Uuid) -> Result<Option<Node>> {
    Ok(match prefix {
        PatchId::PREFIX => super::patch::find_anywhere(session, object.into())
            .await?
            .map(Node::from),
        AdvisoryId::PREFIX => {
            let get = inventory::AdvisoryGet {
                id: Some(object.into()),
                ..Default::default()
            };
            let advisory = session
                .apis
                .inventory
                .advisory_get(&session.everywhere()?, get)
                .await;
            absent(advisory)?.map(|advisory| Node::from(super::Advisory(advisory)))
        }
        ComponentId::PREFIX => {
            let get = inventory::ComponentGet { id: object.into() };
            let component = session
                .apis
                .inventory
                .component_get(&session.everywhere()?, get)
                .await;
            absent(component)?.map(|component| Node::from(super::Component::from(component)))
        }
        _ => None,
    })
}
