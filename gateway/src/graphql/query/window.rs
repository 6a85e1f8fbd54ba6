//! Maintenance and blackout windows.

use crate::graphql::context::{absent, organization_id};
use crate::graphql::model::MaintenanceWindow;
use crate::graphql::model::window::{Occurrence, WindowPreviewInput, read_count};
use crate::graphql::{Connection, DateTime, Result, asked, session};
use async_graphql::{Context, ID, Object};
use netpatch_policy_api as policy;

/// Maintenance and blackout windows.
#[derive(Default)]
pub struct WindowQuery;

#[Object]
impl WindowQuery {
    /// Windows of an organization by name.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn windows(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which organization.")] organization_id: ID,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
    ) -> Result<Option<Connection<MaintenanceWindow>>> {
        let session = session(ctx)?;
        session.principal()?;
        let Some(of) = absent(self::organization_id(&organization_id))? else {
            return Ok(None);
        };
        let Some(request) = absent(session.inside(of))? else {
            return Ok(None);
        };
        let asked = asked("windows", &of, first, after)?;
        let list = policy::WindowList {
            page: asked.page.clone(),
            blackout: None,
        };
        let page = session.apis.policy.window_list(&request, list).await?;
        Ok(Some(asked.connection(page, MaintenanceWindow)))
    }

    /// The next occurrences of a rule that need not be stored.
    #[graphql(complexity = "2 + 5 * child_complexity")]
    async fn window_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: WindowPreviewInput,
    ) -> Result<Option<Vec<Occurrence>>> {
        let session = session(ctx)?;
        let request = session.everywhere()?;
        let preview = policy::WindowPreview {
            rule: policy::WindowRule {
                rrule: input.rrule,
                starts_at: input.starts_at.0,
                duration_s: input.duration.0,
                offset_days: input.offset_days.unwrap_or(0),
                time_zone: Some(input.time_zone.0),
            },
            time_zone: input.time_zone.0.name().to_owned(),
            from: None,
            count: read_count(input.count.unwrap_or(5))?,
        };
        let occurrences = session
            .apis
            .policy
            .window_preview(&request, preview)
            .await?;
        let occurrence = |occurrence: policy::Occurrence| Occurrence {
            start: DateTime(occurrence.start),
            end: DateTime(occurrence.end),
        };
        Ok(Some(occurrences.into_iter().map(occurrence).collect()))
    }
}
