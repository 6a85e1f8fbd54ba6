//! Membership documents: made anew when the host's place or the block list changed, or when the old one runs out.

use super::PolicyService;
use crate::store;
use netpatch_inventory_api::{Host, HostFilter, HostGet, HostList};
use netpatch_policy_api::{Membership, MembershipGet, PolicyEventV1, ScanRule};
use netpatch_protocol::document;
use netpatch_types::{
    ActorKind, ErrorCode, HostId, PageRequest, RequestContext, ServiceError, ServiceResult, Sha256,
    SiteId, TenantId,
};
use prost::Message as _;

/// How long an agent believes a document.
const VALID_DAYS: i64 = 90;
/// A document with less left is made anew when somebody asks.
const RENEW_DAYS: i64 = 30;

/// Looks at most, when others change the document meanwhile.
const ATTEMPTS: usize = 5;

impl PolicyService {
    pub(super) async fn get_membership(
        &self,
        ctx: &RequestContext,
        request: MembershipGet,
    ) -> ServiceResult<Option<Membership>> {
        let agent_itself = ctx.actor.kind == ActorKind::Agent && ctx.actor.id == request.host.0;
        if ctx.actor.kind != ActorKind::System && !agent_itself {
            return Err(ServiceError::forbidden(
                "only the platform itself does this",
            ));
        }
        let newest = self.refresh_membership(ctx.tenant()?, request.host).await?;
        Ok((newest.version > request.held_version).then_some(newest))
    }

    /// The newest document of a host, made anew if what it says is no longer so. Idempotent.
    pub(crate) async fn refresh_membership(
        &self,
        tenant: TenantId,
        host: HostId,
    ) -> ServiceResult<Membership> {
        let ctx = self.system(tenant);
        for _ in 0..ATTEMPTS {
            // Read before the host: if a newer document appears meanwhile, this look is older and must be repeated.
            let tx = self.database.read(&ctx).await?;
            let stored = store::membership::get(&tx, tenant, host).await?;
            let blocked = store::block::list(&tx, tenant).await?;
            tx.rollback().await?;
            let found = self.inventory.host_get(&ctx, HostGet { id: host }).await?;
            let tx = self.database.read(&ctx).await?;
            let scan = store::scan::of_sites(&tx, tenant, &[found.site]).await?;
            tx.rollback().await?;
            let mut document = place(
                &found,
                blocked.into_iter().map(|entry| entry.package).collect(),
                scan.into_iter().next().map(|scan| scan.rule),
            );
            let digest = Sha256::of(&document.encode_to_vec());
            let now = self.clock.now();
            let held = stored
                .as_ref()
                .map_or(0, store::membership::Stored::version);
            if let Some(stored) = stored
                && stored.content_digest == digest.0
                && stored.expires_at - now > chrono::Duration::days(RENEW_DAYS)
            {
                return Ok(Membership {
                    version: held,
                    envelope: stored.envelope,
                });
            }
            let expires_at = now + chrono::Duration::days(VALID_DAYS);
            document.version = held + 1;
            document.expires_at_ms = expires_at.timestamp_millis();
            let envelope = self.sign(tenant, &document)?;
            let tx = self.database.write(&ctx).await?;
            if !store::membership::put(&tx, host, document.version, digest, &envelope, expires_at)
                .await?
            {
                continue;
            }
            self.emit(
                &tx,
                &host.to_string(),
                PolicyEventV1::MembershipChanged {
                    host,
                    version: document.version,
                },
            )
            .await?;
            tx.commit().await?;
            self.hint().await;
            return Ok(Membership {
                version: document.version,
                envelope,
            });
        }
        Err(ServiceError::unavailable(
            "the membership of the host, which others keep changing,",
        ))
    }

    /// Every host of the organization, or of one of its sites; a host that is gone meanwhile is passed over.
    pub(crate) async fn refresh_memberships(
        &self,
        tenant: TenantId,
        site: Option<SiteId>,
    ) -> ServiceResult<()> {
        let ctx = self.system(tenant);
        let mut page = PageRequest::largest();
        loop {
            let filter = HostFilter {
                tenant: Some(tenant),
                sites: site.into_iter().collect(),
                ..HostFilter::default()
            };
            let hosts = self
                .inventory
                .host_list(
                    &ctx,
                    HostList {
                        page: page.clone(),
                        filter,
                    },
                )
                .await?;
            for row in &hosts.rows {
                match self.refresh_membership(tenant, row.node.id).await {
                    Err(error) if error.code != ErrorCode::NotFound => return Err(error),
                    _ => {}
                }
            }
            match hosts.rows.last() {
                Some(last) if hosts.has_next => page.after = Some(last.cursor.clone()),
                _ => return Ok(()),
            }
        }
    }
}

/// What the document says, without version and expiry.
fn place(
    host: &Host,
    blocked_packages: Vec<String>,
    scan: Option<ScanRule>,
) -> document::Membership {
    let mut groups: Vec<String> = host.groups.iter().map(ToString::to_string).collect();
    groups.sort_unstable();
    document::Membership {
        organization_id: host.tenant.to_string(),
        host_id: host.id.to_string(),
        site_id: host.site.to_string(),
        ring: host.ring.clone(),
        groups,
        time_zone: host.time_zone.clone(),
        version: 0,
        expires_at_ms: 0,
        audit_only: host.facts.audit_only,
        blocked_packages,
        scan: scan.map(|rule| document::ScanRule {
            cron: rule.cron,
            jitter_seconds: rule.jitter_seconds,
        }),
    }
}
