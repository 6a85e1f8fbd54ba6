//! `windowCreate`, `windowUpdate`.

use super::{answer, payload};
use crate::graphql::context::{organization_id, tenant_id};
use crate::graphql::model::MaintenanceWindow;
use crate::graphql::once::{Once, first, once};
use crate::graphql::{Duration, LocalTime, Result, TimeZone, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_policy_api as policy;
use netpatch_types::{ServiceError, WindowId};

/// A new window.
#[derive(Clone, InputObject)]
pub struct WindowCreateInput {
    /// Whose.
    organization_id: ID,
    /// Name, unique in the organization.
    name: String,
    /// RFC 5545 recurrence rule, daily or coarser.
    rrule: String,
    /// First local start, within two years.
    starts_at: LocalTime,
    /// How long it lasts.
    duration: Duration,
    /// Days added to each recurrence.
    #[graphql(default_with = "Some(0)")]
    offset_days: Option<i32>,
    /// Zone of the local times; absent: each host's own.
    time_zone: Option<TimeZone>,
    /// Forbidden instead of allowed.
    #[graphql(default_with = "Some(false)")]
    is_blackout: Option<bool>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

/// A changed window: everything that it says now.
#[derive(Clone, InputObject)]
pub struct WindowUpdateInput {
    /// Which.
    id: ID,
    /// The etag that was read.
    if_match: Option<String>,
    /// Name, unique in the organization.
    name: String,
    /// RFC 5545 recurrence rule, daily or coarser.
    rrule: String,
    /// First local start, within two years.
    starts_at: LocalTime,
    /// How long it lasts.
    duration: Duration,
    /// Days added to each recurrence.
    #[graphql(default_with = "Some(0)")]
    offset_days: Option<i32>,
    /// Zone of the local times; absent: each host's own.
    time_zone: Option<TimeZone>,
    /// Forbidden instead of allowed.
    #[graphql(default_with = "Some(false)")]
    is_blackout: Option<bool>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `windowCreate`.
    WindowCreatePayload {
        /// The window.
        window: MaintenanceWindow,
    }
}
payload! {
    /// Answer of `windowUpdate`.
    WindowUpdatePayload {
        /// The window.
        window: MaintenanceWindow,
    }
}

/// Windows.
#[derive(Default)]
pub struct WindowMutation;

#[Object]
impl WindowMutation {
    /// Makes a maintenance or blackout window.
    #[graphql(complexity = "10 + child_complexity")]
    async fn window_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: WindowCreateInput,
    ) -> Result<WindowCreatePayload> {
        answer(create(ctx, input).await)
    }

    /// Changes a window.
    #[graphql(complexity = "10 + child_complexity")]
    async fn window_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: WindowUpdateInput,
    ) -> Result<WindowUpdatePayload> {
        answer(update(ctx, input).await)
    }
}

async fn create(ctx: &Context<'_>, input: WindowCreateInput) -> Result<WindowCreatePayload> {
    let session = session(ctx)?;
    let request = session.inside(organization_id(&input.organization_id)?)?;
    let spec = policy::WindowSpec {
        name: input.name.clone(),
        rule: policy::WindowRule {
            rrule: input.rrule.clone(),
            starts_at: input.starts_at.0,
            duration_s: input.duration.0,
            offset_days: input.offset_days.unwrap_or(0),
            time_zone: input.time_zone.map(|zone| zone.0),
        },
        blackout: input.is_blackout.unwrap_or(false),
    };
    let work = session
        .apis
        .policy
        .window_create(&request, policy::WindowCreate { spec });
    let made = once(
        session,
        &request,
        "windowCreate",
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.id.0],
    )
    .await?;
    let window = match made {
        Once::Done(window) => window,
        Once::Before(ids) => {
            session
                .apis
                .policy
                .window_get(&request, policy::WindowGet { id: first(&ids)? })
                .await?
        }
    };
    Ok(WindowCreatePayload {
        window: Some(MaintenanceWindow(window)),
        ..Default::default()
    })
}

async fn update(ctx: &Context<'_>, input: WindowUpdateInput) -> Result<WindowUpdatePayload> {
    let session = session(ctx)?;
    let (of, id) = tenant_id::<WindowId>(&input.id, WindowId::PREFIX, "window")?;
    let request = session
        .inside(of)
        .map_err(|_| ServiceError::not_found("window"))?;
    let spec = policy::WindowSpec {
        name: input.name.clone(),
        rule: policy::WindowRule {
            rrule: input.rrule.clone(),
            starts_at: input.starts_at.0,
            duration_s: input.duration.0,
            offset_days: input.offset_days.unwrap_or(0),
            time_zone: input.time_zone.map(|zone| zone.0),
        },
        blackout: input.is_blackout.unwrap_or(false),
    };
    let change = policy::WindowUpdate {
        id,
        if_match: input.if_match.clone(),
        spec,
    };
    let work = session.apis.policy.window_update(&request, change);
    let made = once(
        session,
        &request,
        "windowUpdate",
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.id.0],
    )
    .await?;
    let window = match made {
        Once::Done(window) => window,
        Once::Before(ids) => {
            session
                .apis
                .policy
                .window_get(&request, policy::WindowGet { id: first(&ids)? })
                .await?
        }
    };
    Ok(WindowUpdatePayload {
        window: Some(MaintenanceWindow(window)),
        ..Default::default()
    })
}
