//! Who asks, and the way from a public id to a request context.
//!
//! Invariant: what another organization owns is absent: null in a query, `NOT_FOUND` in a mutation, never `FORBIDDEN`.

use crate::graphql::Result;
use async_graphql::{Context, ID};
use netpatch_auth::{Auth, Principal};
use netpatch_inventory_api::InventoryApi;
use netpatch_policy_api::PolicyApi;
use netpatch_reporting_api::ReportingApi;
use netpatch_scheduler_api::SchedulerApi;
use netpatch_storage::SharedBus;
use netpatch_types::{
    ErrorCode, OrganizationId, Permission, PublicId, RequestContext, ServiceError,
};
use std::sync::Arc;
use uuid::Uuid;

/// What the resolvers call.
#[derive(Clone)]
pub struct Apis {
    /// Hosts, findings, patches.
    pub inventory: Arc<dyn InventoryApi>,
    /// Policies, approvals, windows.
    pub policy: Arc<dyn PolicyApi>,
    /// Deployments and runs.
    pub scheduler: Arc<dyn SchedulerApi>,
    /// Ledger, compliance, reports, webhooks.
    pub reporting: Arc<dyn ReportingApi>,
    /// Organizations, sites, relays, people.
    pub auth: Auth,
    /// Hints.
    pub bus: SharedBus,
}

impl std::fmt::Debug for Apis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Apis").finish_non_exhaustive()
    }
}

/// How somebody signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Nobody did.
    Anonymous,
    /// The portal's cookie.
    Cookie,
    /// A bearer token: the CLI's session or an API client's.
    Bearer,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The principal, if signed in.
    pub principal: Option<Principal>,
    /// How.
    pub channel: Channel,
    /// Names the request in logs and errors.
    pub request_id: Uuid,
    /// W3C trace context of the request.
    pub traceparent: Option<String>,
}

/// Everything about one request that resolvers need.
#[derive(Clone, Debug)]
pub struct Session {
    /// What to call.
    pub apis: Apis,
    /// For whom.
    pub caller: Caller,
    /// The UDP port of the edge, if known.
    pub edge_port: Option<u16>,
}

impl Session {
    /// The principal, or `UNAUTHENTICATED`.
    pub(crate) fn principal(&self) -> Result<&Principal> {
        self.caller
            .principal
            .as_ref()
            .ok_or_else(|| ServiceError::new(ErrorCode::Unauthenticated, "sign in first"))
    }

    /// The context in one organization; `NOT_FOUND` without access.
    pub(crate) fn inside(&self, organization: OrganizationId) -> Result<RequestContext> {
        let ctx = self
            .principal()?
            .context_for(organization, self.apis.auth.clock().now())?;
        Ok(self.named(ctx))
    }

    /// The context for reading everywhere the caller may. Somebody whose only grant is narrowed to sites reads there.
    pub(crate) fn everywhere(&self) -> Result<RequestContext> {
        let principal = self.principal()?;
        let ctx = principal.context_for_all(self.apis.auth.clock().now());
        if ctx.read.is_empty() {
            return self.inside(principal.home);
        }
        Ok(self.named(ctx))
    }

    /// One organization if the filter names one, else everywhere.
    pub(crate) fn within(&self, organization: Option<OrganizationId>) -> Result<RequestContext> {
        match organization {
            Some(organization) => self.inside(organization),
            None => self.everywhere(),
        }
    }

    fn named(&self, mut ctx: RequestContext) -> RequestContext {
        ctx.request_id = self.caller.request_id;
        ctx.traceparent.clone_from(&self.caller.traceparent);
        ctx
    }
}

/// The session of a resolver's context.
pub(crate) fn session<'a>(ctx: &Context<'a>) -> Result<&'a Session> {
    ctx.data_opt::<Session>().ok_or_else(|| {
        tracing::error!("a request without a session reached a resolver");
        ServiceError::internal()
    })
}

/// Absent is null.
pub(crate) fn absent<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A right that the gateway itself checks, for what `netpatch-auth` lists without asking.
pub(crate) fn readable(ctx: RequestContext) -> Result<RequestContext> {
    ctx.require(Permission::Read)?;
    Ok(ctx)
}

/// An id of a tenant's object: organization and object.
pub(crate) fn tenant_id<T: From<Uuid>>(
    id: &ID,
    prefix: &str,
    noun: &str,
) -> Result<(OrganizationId, T)> {
    match PublicId::parse(id) {
        Some(PublicId::Tenant {
            prefix: found,
            organization,
            object,
        }) if found == prefix => Ok((organization, T::from(object))),
        _ => Err(ServiceError::not_found(noun)),
    }
}

/// An id of a catalog object.
pub(crate) fn catalog_id<T: From<Uuid>>(id: &ID, prefix: &str, noun: &str) -> Result<T> {
    match PublicId::parse(id) {
        Some(PublicId::Catalog {
            prefix: found,
            object,
        }) if found == prefix => Ok(T::from(object)),
        _ => Err(ServiceError::not_found(noun)),
    }
}

/// An organization's id.
pub(crate) fn organization_id(id: &ID) -> Result<OrganizationId> {
    let (outer, inner) = tenant_id::<OrganizationId>(id, OrganizationId::PREFIX, "organization")?;
    if outer == inner {
        Ok(inner)
    } else {
        Err(ServiceError::not_found("organization"))
    }
}

/// Optional ids of one organization's objects: an object of another organization is absent.
pub(crate) fn same_organization<T: From<Uuid>>(
    id: &ID,
    organization: OrganizationId,
    prefix: &str,
    field: &str,
    noun: &str,
) -> Result<T> {
    match tenant_id(id, prefix, noun) {
        Ok((found, object)) if found == organization => Ok(object),
        _ => Err(ServiceError {
            path: vec![field.to_owned()],
            ..ServiceError::not_found(noun)
        }),
    }
}
