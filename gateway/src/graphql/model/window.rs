//! Maintenance and blackout windows.

use crate::graphql::context::{Session, absent};
use crate::graphql::{DateTime, Duration, LocalTime, Result, TimeZone, session};
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use netpatch_policy_api as policy;
use netpatch_types::{OrganizationId, ServiceError, WindowId};

/// When change is allowed, or (blackout) forbidden.
#[derive(Clone)]
pub struct MaintenanceWindow(pub policy::MaintenanceWindow);

impl MaintenanceWindow {
    /// The next starts; a rule in the hosts' own zones is read in UTC.
    pub(crate) async fn starts(
        &self,
        session: &Session,
        count: u32,
    ) -> Result<Vec<chrono::DateTime<chrono::Utc>>> {
        let ctx = session.inside(self.0.tenant)?;
        let preview = policy::WindowPreview {
            rule: self.0.spec.rule.clone(),
            time_zone: "UTC".to_owned(),
            from: None,
            count,
        };
        let occurrences = session.apis.policy.window_preview(&ctx, preview).await?;
        Ok(occurrences
            .into_iter()
            .map(|occurrence| occurrence.start)
            .collect())
    }
}

/// When change is allowed, or (blackout) forbidden.
#[Object]
impl MaintenanceWindow {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.tenant).into()
    }

    /// Changes with each change; `ifMatch` of an update.
    async fn etag(&self) -> &str {
        &self.0.etag
    }

    /// Name, unique in the organization.
    async fn name(&self) -> &str {
        &self.0.spec.name
    }

    /// RFC 5545 recurrence rule, daily or coarser.
    async fn rrule(&self) -> &str {
        &self.0.spec.rule.rrule
    }

    /// First local start.
    async fn starts_at(&self) -> LocalTime {
        self.0.spec.rule.starts_at.into()
    }

    /// How long it lasts, elapsed time.
    async fn duration(&self) -> Duration {
        self.0.spec.rule.duration_s.into()
    }

    /// Days added to each recurrence.
    async fn offset_days(&self) -> i32 {
        self.0.spec.rule.offset_days
    }

    /// Zone of the local times; null: each host's own.
    async fn time_zone(&self) -> Option<TimeZone> {
        self.0.spec.rule.time_zone.map(TimeZone)
    }

    /// Forbidden instead of allowed.
    async fn is_blackout(&self) -> bool {
        self.0.spec.blackout
    }

    /// Next start; in the hosts' own zones: for a host in UTC.
    #[graphql(complexity = 3)]
    async fn next_start(&self, ctx: &Context<'_>) -> Result<Option<DateTime>> {
        Ok(self
            .starts(session(ctx)?, 1)
            .await?
            .into_iter()
            .next()
            .map(DateTime))
    }

    /// Next starts, at most 50; in the hosts' own zones: for a host in UTC.
    #[graphql(complexity = 3)]
    async fn next_starts(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "Some(5)")] count: Option<i32>,
    ) -> Result<Option<Vec<DateTime>>> {
        let starts = self
            .starts(session(ctx)?, read_count(count.unwrap_or(5))?)
            .await?;
        Ok(Some(starts.into_iter().map(DateTime).collect()))
    }
}

/// One occurrence of a window.
#[derive(Clone, SimpleObject)]
pub struct Occurrence {
    /// Inclusive.
    pub start: DateTime,
    /// Exclusive.
    pub end: DateTime,
}

/// A rule to be tried out; it need not be stored.
#[derive(Clone, InputObject)]
pub struct WindowPreviewInput {
    /// RFC 5545 recurrence rule, daily or coarser.
    pub rrule: String,
    /// First local start.
    pub starts_at: LocalTime,
    /// How long it lasts.
    pub duration: Duration,
    /// Days added to each recurrence.
    #[graphql(default_with = "Some(0)")]
    pub offset_days: Option<i32>,
    /// Zone of the local times.
    pub time_zone: TimeZone,
    /// How many occurrences, 1 to 50.
    #[graphql(default_with = "Some(5)")]
    pub count: Option<i32>,
}

/// 1–50.
pub(crate) fn read_count(count: i32) -> Result<u32> {
    u32::try_from(count)
        .ok()
        .filter(|count| (1..=50).contains(count))
        .ok_or_else(|| ServiceError::invalid("count", "1 to 50 occurrences can be asked for"))
}

/// One window; absent without access.
pub(crate) async fn find(
    session: &Session,
    organization: OrganizationId,
    id: WindowId,
) -> Result<Option<MaintenanceWindow>> {
    let Some(ctx) = absent(session.inside(organization))? else {
        return Ok(None);
    };
    Ok(absent(
        session
            .apis
            .policy
            .window_get(&ctx, policy::WindowGet { id })
            .await,
    )?
    .map(MaintenanceWindow))
}
