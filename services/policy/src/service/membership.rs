//! Membership documents: made anew when the host's place or the block list changed, or when the old one runs out.

use super::PolicyService;
use crate::store;
use netpatch_inventory_api::{HostFilter, HostList, HostPlace, HostPlaces};
use netpatch_policy_api::{
    HostMembership, MAX_MEMBERSHIPS, Membership, MembershipGet, MembershipList, PolicyEventV1,
    ScanRule,
};
use netpatch_protocol::document;
use netpatch_types::{
    ActorKind, ErrorCode, HostId, PageRequest, RequestContext, ServiceError, ServiceResult, Sha256,
    SiteId, TenantId,
};
use prost::Message as _;
use std::collections::{BTreeSet, HashMap};

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

    /// One look for all of them; a document that has to be made anew costs what it costs alone.
    pub(super) async fn list_memberships(
        &self,
        ctx: &RequestContext,
        request: MembershipList,
    ) -> ServiceResult<Vec<HostMembership>> {
        if ctx.actor.kind != ActorKind::System {
            return Err(ServiceError::forbidden(
                "only the platform itself does this",
            ));
        }
        if request.held.len() > MAX_MEMBERSHIPS {
            return Err(ServiceError::invalid(
                "held",
                format!("more than {MAX_MEMBERSHIPS} hosts"),
            ));
        }
        let tenant = ctx.tenant()?;
        let ctx = self.system(tenant);
        let tx = self.database.read(&ctx).await?;
        let stored = store::membership::of(&tx, tenant, &request.held).await?;
        let blocked = store::block::list(&tx, tenant).await?;
        tx.rollback().await?;
        let blocked: Vec<String> = blocked.into_iter().map(|entry| entry.package).collect();
        let hosts = request.held.iter().map(|held| held.host).collect();
        let found = self
            .inventory
            .host_places(&ctx, HostPlaces { hosts })
            .await?;
        let sites: BTreeSet<SiteId> = found.iter().map(|place| place.site).collect();
        let sites: Vec<SiteId> = sites.into_iter().collect();
        let tx = self.database.read(&ctx).await?;
        let scans = store::scan::of_sites(&tx, tenant, &sites).await?;
        let strict = store::site::forbidding(&tx, tenant, &sites).await?;
        tx.rollback().await?;
        let scans: HashMap<SiteId, ScanRule> = scans
            .into_iter()
            .map(|scan| (scan.site, scan.rule))
            .collect();
        let held: HashMap<HostId, u64> = request
            .held
            .iter()
            .map(|held| (held.host, held.held_version))
            .collect();
        let mut newer = Vec::new();
        for found in found {
            let scan = scans.get(&found.site).cloned();
            let document = place(&found, blocked.clone(), scan, strict.contains(&found.site));
            let version = held.get(&found.id).copied().unwrap_or_default();
            let membership = match stored.get(&found.id) {
                Some(stored) if self.still_says(&stored.stored, &document) => {
                    let version = stored.stored.version();
                    let envelope = stored.newer.clone();
                    envelope.map(|envelope| Membership { version, envelope })
                }
                _ => match self.refresh_membership(tenant, found.id).await {
                    Ok(newest) => (newest.version > version).then_some(newest),
                    // It went meanwhile.
                    Err(error) if error.code == ErrorCode::NotFound => None,
                    Err(error) => return Err(error),
                },
            };
            newer.extend(membership.map(|membership| HostMembership {
                host: found.id,
                membership,
            }));
        }
        Ok(newer)
    }

    /// Whether a document need not be made anew: it says this, and for long enough.
    fn still_says(
        &self,
        stored: &store::membership::Stored,
        document: &document::Membership,
    ) -> bool {
        stored.content_digest == Sha256::of(&document.encode_to_vec()).0
            && stored.expires_at - self.clock.now() > chrono::Duration::days(RENEW_DAYS)
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
            let asked = MembershipGet {
                host,
                held_version: 0,
            };
            let stored = store::membership::of(&tx, tenant, &[asked]).await?;
            let stored = stored.into_values().next();
            let stored = stored.and_then(|of| Some((of.stored, of.newer?)));
            let blocked = store::block::list(&tx, tenant).await?;
            tx.rollback().await?;
            let asked = HostPlaces { hosts: vec![host] };
            let found = self.inventory.host_places(&ctx, asked).await?;
            let found = found
                .into_iter()
                .next()
                .ok_or_else(|| ServiceError::not_found("host"))?;
            let tx = self.database.read(&ctx).await?;
            let scan = store::scan::of_sites(&tx, tenant, &[found.site]).await?;
            let strict = store::site::forbidding(&tx, tenant, &[found.site]).await?;
            tx.rollback().await?;
            let mut document = place(
                &found,
                blocked.into_iter().map(|entry| entry.package).collect(),
                scan.into_iter().next().map(|scan| scan.rule),
                strict.contains(&found.site),
            );
            let held = stored.as_ref().map_or(0, |(stored, _)| stored.version());
            if let Some((stored, envelope)) = stored
                && self.still_says(&stored, &document)
            {
                return Ok(Membership {
                    version: held,
                    envelope,
                });
            }
            let digest = Sha256::of(&document.encode_to_vec());
            let now = self.clock.now();
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
    host: &HostPlace,
    blocked_packages: Vec<String>,
    scan: Option<ScanRule>,
    direct_forbidden: bool,
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
        audit_only: host.audit_only,
        blocked_packages,
        scan: scan.map(|rule| document::ScanRule {
            cron: rule.cron,
            jitter_seconds: rule.jitter_seconds,
        }),
        direct_forbidden,
    }
}
