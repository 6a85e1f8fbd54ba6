//! `hostUpdate`, `hostScan`.

use super::{answer, payload};
use crate::graphql::connection::int;
use crate::graphql::context::{Session, organization_id, same_organization, tenant_id};
use crate::graphql::model::group::read_labels;
use crate::graphql::model::{Host, LabelInput};
use crate::graphql::once::{Once, first, once};
use crate::graphql::{Result, session};
use crate::ingress::standing_changed;
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_inventory_api as inventory;
use netpatch_protocol::{IdentityName, SubjectKind};
use netpatch_types::{HostId, PageRequest, Permission, RequestContext, ServiceError, SiteId};

/// A person's change of a host.
#[derive(Clone, InputObject)]
pub struct HostUpdateInput {
    /// Which.
    id: ID,
    /// The etag that was read.
    if_match: Option<String>,
    /// New labels, replacing all.
    labels: Option<Vec<LabelInput>>,
    /// New site.
    site_id: Option<ID>,
    /// Ends the quarantine.
    #[graphql(default_with = "Some(false)")]
    release_quarantine: Option<bool>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

/// Scan now.
#[derive(Clone, InputObject)]
pub struct HostScanInput {
    /// Whose hosts.
    organization_id: ID,
    /// Which; absent: all.
    host_ids: Option<Vec<ID>>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `hostUpdate`.
    HostUpdatePayload {
        /// The host.
        host: Host,
    }
}
payload! {
    /// Answer of `hostScan`.
    HostScanPayload {
        /// How many hosts are asked; one that is not connected scans when it is.
        requested: i32,
    }
}

/// Hosts.
#[derive(Default)]
pub struct HostMutation;

#[Object]
impl HostMutation {
    /// Changes labels or site of a host, or ends its quarantine.
    #[graphql(complexity = "10 + child_complexity")]
    async fn host_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: HostUpdateInput,
    ) -> Result<HostUpdatePayload> {
        answer(update(ctx, input).await)
    }

    /// Asks connected hosts to scan now.
    #[graphql(complexity = "50 + child_complexity")]
    async fn host_scan(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: HostScanInput,
    ) -> Result<HostScanPayload> {
        answer(scan(ctx, input).await)
    }
}

async fn update(ctx: &Context<'_>, input: HostUpdateInput) -> Result<HostUpdatePayload> {
    let session = session(ctx)?;
    let (of, id) = tenant_id::<HostId>(&input.id, HostId::PREFIX, "host")?;
    let request = session
        .inside(of)
        .map_err(|_| ServiceError::not_found("host"))?;
    let site = input
        .site_id
        .as_ref()
        .map(|site| same_organization::<SiteId>(site, of, SiteId::PREFIX, "siteId", "site"))
        .transpose()?;
    if let Some(site) = site {
        session.apis.auth.site_get(&request, site).await?;
    }
    let change = inventory::HostUpdate {
        id,
        if_match: input.if_match.clone(),
        labels: input.labels.clone().map(read_labels).transpose()?,
        site,
        release_quarantine: input.release_quarantine.unwrap_or(false),
    };
    let work = session.apis.inventory.host_update(&request, change);
    let made = once(
        session,
        &request,
        "hostUpdate",
        &input.idempotency_key,
        &input,
        work,
        |host| vec![host.id.0],
    )
    .await?;
    let host = match made {
        Once::Done(host) => host,
        Once::Before(ids) => {
            session
                .apis
                .inventory
                .host_get(&request, inventory::HostGet { id: first(&ids)? })
                .await?
        }
    };
    // Also when it was repeated: the first time may have ended before this.
    if input.release_quarantine == Some(true) {
        let whose = IdentityName {
            organization: of,
            kind: SubjectKind::Host,
            id: id.0,
        };
        standing_changed(&*session.apis.bus, whose).await;
    }
    Ok(HostUpdatePayload {
        host: Some(Host(host)),
        ..Default::default()
    })
}

async fn scan(ctx: &Context<'_>, input: HostScanInput) -> Result<HostScanPayload> {
    let session = session(ctx)?;
    let of = organization_id(&input.organization_id)?;
    let request = session.inside(of)?;
    request.require(Permission::Scan)?;
    let wanted = match &input.host_ids {
        Some(ids) if ids.len() > 1000 => {
            return Err(ServiceError::invalid(
                "hostIds",
                "name at most 1000 hosts, or none for all",
            ));
        }
        Some(ids) => Some(
            ids.iter()
                .map(|id| same_organization::<HostId>(id, of, HostId::PREFIX, "hostIds", "host"))
                .collect::<Result<Vec<_>>>()?,
        ),
        None => None,
    };
    let work = ask(session, &request, wanted);
    let asked = once(
        session,
        &request,
        "hostScan",
        &input.idempotency_key,
        &input,
        work,
        |hosts| hosts.clone(),
    )
    .await?
    .ids();
    Ok(HostScanPayload {
        requested: Some(int(asked.len())),
        ..Default::default()
    })
}

/// Tells the edge, which tells the agents that are connected. A lost hint costs a scan interval.
async fn ask(
    session: &Session,
    request: &RequestContext,
    wanted: Option<Vec<HostId>>,
) -> Result<Vec<uuid::Uuid>> {
    let mut hosts = Vec::new();
    match wanted {
        Some(ids) => {
            for chunk in ids.chunks(100) {
                let filter = inventory::HostFilter {
                    ids: chunk.to_vec(),
                    ..Default::default()
                };
                let list = inventory::HostList {
                    page: PageRequest::largest(),
                    filter,
                };
                hosts.extend(
                    session
                        .apis
                        .inventory
                        .host_list(request, list)
                        .await?
                        .into_nodes()
                        .iter()
                        .map(|host| host.id.0),
                );
            }
            if hosts.len() < ids.len() {
                return Err(ServiceError {
                    path: vec!["hostIds".to_owned()],
                    ..ServiceError::not_found("host")
                });
            }
        }
        None => {
            let mut page = PageRequest::largest();
            loop {
                let list = inventory::HostList {
                    page: page.clone(),
                    filter: inventory::HostFilter::default(),
                };
                let found = session.apis.inventory.host_list(request, list).await?;
                page.after = found.rows.last().map(|row| row.cursor.clone());
                let has_next = found.has_next;
                hosts.extend(found.into_nodes().iter().map(|host| host.id.0));
                if !has_next {
                    break;
                }
            }
        }
    }
    let wanted = hosts.iter().copied().map(HostId).collect();
    crate::ingress::request_scan(&session.apis.bus, request.tenant()?, wanted).await;
    Ok(hosts)
}
