//! Who may report, and how much.

use netpatch_types::{ActorKind, HostId, RequestContext, ServiceError, ServiceResult, TenantId};

/// Only the platform itself, the edge, agents and relays.
pub(super) fn system(ctx: &RequestContext) -> ServiceResult<()> {
    match ctx.actor.kind {
        ActorKind::System | ActorKind::Agent | ActorKind::Relay => Ok(()),
        ActorKind::User | ActorKind::ApiClient => Err(ServiceError::forbidden(
            "only the platform itself may do this",
        )),
    }
}

/// Only the platform itself, for the whole organization: no agent, no relay, no grant for some sites.
pub(super) fn platform(ctx: &RequestContext) -> ServiceResult<()> {
    if ctx.actor.kind == ActorKind::System && ctx.sites.is_none() {
        Ok(())
    } else {
        Err(ServiceError::forbidden(
            "only the platform itself may do this, for a whole organization",
        ))
    }
}

/// A grant over some sites cannot change what holds for the whole organization.
pub(super) fn whole_organization(ctx: &RequestContext) -> ServiceResult<()> {
    if ctx.sites.is_none() {
        Ok(())
    } else {
        Err(ServiceError::forbidden(
            "this holds for the whole organization; your grant covers some of its sites",
        ))
    }
}

/// The organization that a question is about: the one written to, or the only one read.
pub(super) fn one_organization(ctx: &RequestContext) -> ServiceResult<TenantId> {
    match (ctx.write, ctx.read.as_slice()) {
        (Some(tenant), _) => Ok(tenant),
        (None, [tenant]) => Ok(*tenant),
        _ => Err(ServiceError::invalid(
            "organizationId",
            "this question is about exactly one organization",
        )),
    }
}

/// An agent reports for its own host; for it, every other host is absent.
pub(super) fn reports_for(ctx: &RequestContext, host: HostId) -> ServiceResult<()> {
    system(ctx)?;
    if ctx.actor.kind == ActorKind::Agent && ctx.actor.id != host.0 {
        return Err(ServiceError::not_found("host"));
    }
    Ok(())
}
