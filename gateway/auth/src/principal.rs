//! Who is signed in, and what that means in each organization.

use crate::{Auth, Role, access::permissions_of};
use chrono::{DateTime, Utc};
use netpatch_types::{
    Actor, ActorKind, ApiClientId, DelegationId, ErrorCode, OrganizationId, Permission,
    RequestContext, ServiceError, ServiceResult, SiteId, UserId,
};
use sea_orm::FromQueryResult;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What a principal may do in one organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Where.
    pub organization: OrganizationId,
    /// What.
    pub permissions: BTreeSet<Permission>,
    /// Only at these sites.
    pub sites: Option<Vec<SiteId>>,
    /// By which delegation, for a partner's people.
    pub delegation: Option<DelegationId>,
}

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// User or API client.
    pub kind: ActorKind,
    /// Id.
    pub id: Uuid,
    /// Where it belongs.
    pub home: OrganizationId,
    /// Name.
    pub name: String,
    /// The user's e-mail address; empty for an API client.
    pub email: String,
    /// Home first, then delegated customers.
    pub access: Vec<Access>,
}

impl Principal {
    /// The context for one organization; without access it is as if the organization did not exist.
    pub fn context_for(
        &self,
        organization: OrganizationId,
        now: DateTime<Utc>,
    ) -> ServiceResult<RequestContext> {
        let access = self
            .access
            .iter()
            .find(|access| access.organization == organization)
            .ok_or_else(|| ServiceError::not_found("organization"))?;
        Ok(RequestContext {
            read: vec![organization],
            write: Some(organization),
            sites: access.sites.clone(),
            permissions: access.permissions.clone(),
            ..self.context(access.delegation, now)
        })
    }

    /// The context for reading everywhere at once: only organizations without a narrowing to sites, and only `Read`.
    #[must_use]
    pub fn context_for_all(&self, now: DateTime<Utc>) -> RequestContext {
        let readable = |access: &&Access| {
            access.permissions.contains(&Permission::Read) && access.sites.is_none()
        };
        RequestContext {
            read: self
                .access
                .iter()
                .filter(readable)
                .map(|access| access.organization)
                .collect(),
            permissions: [Permission::Read].into(),
            ..self.context(None, now)
        }
    }

    fn context(&self, delegation: Option<DelegationId>, now: DateTime<Utc>) -> RequestContext {
        RequestContext {
            read: Vec::new(),
            write: None,
            sites: None,
            actor: Actor {
                kind: self.kind,
                id: self.id,
                home: self.home,
                display: self.name.clone(),
                delegation: delegation.map(|delegation| delegation.0),
            },
            permissions: BTreeSet::new(),
            request_id: netpatch_types::uuid_v7(now),
            traceparent: None,
            deadline: now + chrono::Duration::seconds(10),
        }
    }
}

#[derive(FromQueryResult)]
struct UserRow {
    name: String,
    email: String,
    active: bool,
}

#[derive(FromQueryResult)]
struct GrantRow {
    role: String,
    sites: Option<serde_json::Value>,
}

#[derive(FromQueryResult)]
struct ClientRow {
    name: String,
    permissions: serde_json::Value,
    expires_at: DateTime<Utc>,
}

impl Auth {
    pub(crate) async fn user_principal(
        &self,
        home: OrganizationId,
        user: UserId,
    ) -> ServiceResult<Option<Principal>> {
        let ctx = RequestContext::system(home, "principal", self.clock.now());
        let tx = self.db.read(&ctx).await?;
        let key = || [home.0.into(), user.0.into()];
        let row: Option<UserRow> = tx
            .one(
                "select name, email, active from identity.users where tenant_id = $1 and id = $2",
                key(),
            )
            .await?;
        let Some(row) = row.filter(|row| row.active) else {
            return Ok(None);
        };
        let grants: Vec<GrantRow> = tx
            .all(
                "select role, sites from identity.grants where tenant_id = $1 and user_id = $2",
                key(),
            )
            .await?;
        drop(tx);
        let (own, sites) = rights(&grants);
        let access = self.access(home, own, sites).await?;
        Ok(Some(Principal {
            kind: ActorKind::User,
            id: user.0,
            home,
            name: row.name,
            email: row.email,
            access,
        }))
    }

    pub(crate) async fn client_principal(
        &self,
        home: OrganizationId,
        client: ApiClientId,
    ) -> ServiceResult<Principal> {
        let ctx = RequestContext::system(home, "principal", self.clock.now());
        let tx = self.db.read(&ctx).await?;
        let sql = "select name, permissions, expires_at from identity.api_clients where tenant_id = $1 and id = $2";
        let row: Option<ClientRow> = tx.one(sql, [home.0.into(), client.0.into()]).await?;
        drop(tx);
        let row = row
            .filter(|row| row.expires_at > self.clock.now())
            .ok_or_else(|| {
                ServiceError::new(
                    ErrorCode::Unauthenticated,
                    "the API client is gone or has expired",
                )
            })?;
        let mut own: BTreeSet<Permission> =
            serde_json::from_value(row.permissions).unwrap_or_default();
        own.remove(&Permission::Approve);
        let access = self.access(home, own, None).await?;
        Ok(Principal {
            kind: ActorKind::ApiClient,
            id: client.0,
            home,
            name: row.name,
            email: String::new(),
            access,
        })
    }

    /// Home, and each customer that delegates to it: there, what both the own rights and the delegation allow. Somebody
    /// whose rights end at some of home's sites has none at a customer.
    async fn access(
        &self,
        home: OrganizationId,
        own: BTreeSet<Permission>,
        sites: Option<Vec<SiteId>>,
    ) -> ServiceResult<Vec<Access>> {
        let narrow = sites.is_some();
        let mut access = vec![Access {
            organization: home,
            permissions: own.clone(),
            sites,
            delegation: None,
        }];
        if narrow {
            return Ok(access);
        }
        for delegation in self.delegations_active(home).await? {
            let delegated = permissions_of(&delegation.roles);
            access.push(Access {
                organization: delegation.customer,
                permissions: own.intersection(&delegated).copied().collect(),
                sites: None,
                delegation: Some(delegation.id),
            });
        }
        Ok(access)
    }
}

/// What grants allow together, and at which sites; `None` is the whole organization. A context has one set of rights and
/// one set of sites, so this never gives a right at a site where no grant gives it: grants for the whole organization stand
/// alone; grants for the same sites add up; of grants for different sites only the common rights hold, at all of them.
fn rights(grants: &[GrantRow]) -> (BTreeSet<Permission>, Option<Vec<SiteId>>) {
    let role = |grant: &GrantRow| Role::from_word(&grant.role);
    let wide: Vec<Role> = grants
        .iter()
        .filter(|grant| grant.sites.is_none())
        .filter_map(role)
        .collect();
    if !wide.is_empty() || grants.is_empty() {
        return (permissions_of(&wide), None);
    }
    let mut by_sites: BTreeMap<BTreeSet<SiteId>, Vec<Role>> = BTreeMap::new();
    for grant in grants {
        // A grant that cannot be read reaches nothing.
        let sites = grant.sites.clone().unwrap_or_default();
        let sites: BTreeSet<SiteId> = serde_json::from_value(sites).unwrap_or_default();
        if !sites.is_empty() {
            by_sites.entry(sites).or_default().extend(role(grant));
        }
    }
    let common = by_sites
        .values()
        .map(|roles| permissions_of(roles))
        .reduce(|one, other| one.intersection(&other).copied().collect());
    let sites: BTreeSet<SiteId> = by_sites.into_keys().flatten().collect();
    (
        common.unwrap_or_default(),
        Some(sites.into_iter().collect()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use Permission::{Approve, Enrol, Read, Scan};

    fn grant(role: &str, sites: Option<&[SiteId]>) -> GrantRow {
        GrantRow {
            role: role.to_owned(),
            sites: sites.map(|sites| serde_json::json!(sites)),
        }
    }

    #[test]
    fn no_right_reaches_a_site_where_no_grant_gives_it() {
        let (one, other) = (SiteId(Uuid::from_u128(1)), SiteId(Uuid::from_u128(2)));
        let (permissions, sites) = rights(&[]);
        assert!(permissions.is_empty() && sites.is_none());
        // A right in the whole organization does not widen a site's.
        let (permissions, sites) = rights(&[
            grant("site_operator", Some(&[one])),
            grant("approver", None),
        ]);
        assert!(permissions.contains(&Approve) && !permissions.contains(&Enrol));
        assert_eq!(sites, None);
        // Different sites: what holds at both.
        let (permissions, sites) = rights(&[
            grant("site_operator", Some(&[one])),
            grant("approver", Some(&[other])),
        ]);
        assert!(permissions.contains(&Read));
        assert!(!permissions.contains(&Approve) && !permissions.contains(&Scan));
        assert_eq!(sites, Some(vec![one, other]));
        // The same site: they add up.
        let (permissions, _) = rights(&[
            grant("site_operator", Some(&[one])),
            grant("approver", Some(&[one])),
        ]);
        assert!(permissions.contains(&Approve) && permissions.contains(&Scan));
        // What cannot be read reaches nothing.
        let damaged = GrantRow {
            role: "owner".to_owned(),
            sites: Some(serde_json::json!("everywhere")),
        };
        assert_eq!(rights(&[damaged]), (BTreeSet::new(), Some(vec![])));
        assert!(rights(&[grant("king", None)]).0.is_empty());
    }
}
