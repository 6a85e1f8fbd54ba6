//! Sites.

use super::*;
use crate::graphql::context::readable;
use crate::graphql::{Connection, Result, TimeZone, loaders, session};
use async_graphql::{Context, ID, Object, SimpleObject};

/// When hosts are scanned without being asked.
#[derive(Clone, SimpleObject)]
pub struct ScanSchedule {
    /// `MINUTE HOUR DAY MONTH WEEKDAY` in each host's own time.
    pub cron: String,
    /// Seconds over which the hosts spread each of these times.
    pub jitter_seconds: i32,
}

/// A site of an organization.
#[derive(Clone)]
pub struct Site(pub netpatch_auth::Site);

/// A site of an organization.
#[Object]
impl Site {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.organization).into()
    }

    /// Name, unique in the organization.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Time zone of the site.
    async fn time_zone(&self) -> TimeZone {
        self.0
            .time_zone
            .parse()
            .unwrap_or(chrono_tz::Tz::UTC)
            .into()
    }

    /// Whether hosts may go past the relay.
    async fn direct_allowed(&self) -> bool {
        self.0.direct_allowed
    }

    /// Base URLs of the repositories that the site's relay may serve.
    async fn upstreams(&self) -> &[String] {
        &self.0.upstreams
    }

    /// Whether its relays may try the ports that its hosts say they listen on, to measure what can be reached. Off unless somebody
    /// allows it.
    async fn probes_exposure(&self) -> bool {
        self.0.probes_exposure
    }

    /// What its line may carry of what its relays fetch, by hours of the week.
    async fn bandwidth(&self) -> Bandwidth {
        (&self.0.bandwidth).into()
    }

    /// When its hosts are scanned without being asked; null: as each host's own configuration says, which outweighs this.
    #[graphql(complexity = "5 + child_complexity")]
    async fn scan_schedule(&self, ctx: &Context<'_>) -> Result<Option<ScanSchedule>> {
        let session = session(ctx)?;
        let list = netpatch_policy_api::ScanScheduleList {
            sites: vec![self.0.id],
        };
        let request = readable(session.inside(self.0.organization)?)?;
        let found = session
            .apis
            .policy
            .scan_schedule_list(&request, list)
            .await?;
        Ok(found.into_iter().next().map(|found| ScanSchedule {
            cron: found.rule.cron,
            jitter_seconds: i32::try_from(found.rule.jitter_seconds).unwrap_or(i32::MAX),
        }))
    }

    /// Whose it is.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        loaders(ctx)?.organization(self.0.organization).await
    }

    /// Relays of the site.
    #[graphql(complexity = "2 + 5 * child_complexity")]
    async fn relays(&self, ctx: &Context<'_>) -> Result<Option<Vec<Relay>>> {
        let session = session(ctx)?;
        let relays = session
            .apis
            .auth
            .relay_list(&readable(session.inside(self.0.organization)?)?)
            .await?;
        Ok(Some(
            relays
                .into_iter()
                .filter(|relay| relay.site == self.0.id)
                .map(Relay)
                .collect(),
        ))
    }

    /// Hosts of the site by name.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn hosts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<HostFilter>,
    ) -> Result<Option<Connection<Host>>> {
        let filter = HostFilter {
            organization_id: Some(self.0.organization.public(self.0.organization).into()),
            site: Some(IdFilter {
                eq: Some(self.0.id.public(self.0.organization).into()),
                r#in: None,
            }),
            ..filter.unwrap_or_default()
        };
        super::host::listing(session(ctx)?, first, after, filter).await
    }
}
