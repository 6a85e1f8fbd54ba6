//! Sites.

use super::*;
use crate::graphql::context::readable;
use crate::graphql::{ByteCount, Connection, Result, TimeZone, loaders, session};
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

/// When hosts are scanned without being asked.
#[derive(Clone, SimpleObject)]
pub struct ScanSchedule {
    /// `MINUTE HOUR DAY MONTH WEEKDAY` in each host's own time.
    pub cron: String,
    /// Seconds over which the hosts spread each of these times.
    pub jitter_seconds: i32,
}

/// What a site's relays gave to its hosts and fetched for them, since each relay was set up.
#[derive(Clone, SimpleObject)]
pub struct SiteTraffic {
    /// Bytes given to hosts.
    pub bytes_served: ByteCount,
    /// Bytes fetched from upstream.
    pub bytes_fetched: ByteCount,
    /// Bytes that did not cross the site's line: of each relay what it served beyond what it fetched.
    pub saved_bytes: ByteCount,
    /// How much shorter the differences were that packages were made of than the packages; part of what was saved.
    pub delta_saved_bytes: ByteCount,
    /// Payloads that came from the platform's own store and not from a mirror.
    pub stored_payloads: i32,
    /// Share of answers from a cache, 0–1; null before the first.
    pub cache_hit_ratio: Option<f64>,
}

/// Where a site's relays fetch what lies in a repository.
#[derive(Clone, SimpleObject)]
pub struct RepositoryMirrors {
    /// Base URL as hosts name it; one of the site's upstreams.
    pub repository: String,
    /// Base URLs to fetch from, in the order to try.
    pub urls: Vec<String>,
}

/// Where a site's relays fetch what lies in a repository.
#[derive(Clone, InputObject)]
pub struct RepositoryMirrorsInput {
    /// Base URL as hosts name it; one of the site's upstreams.
    pub repository: String,
    /// Base URLs to fetch from, in the order to try, 1 to 8. The repository itself is asked only if it is among them.
    pub urls: Vec<String>,
}

impl From<RepositoryMirrorsInput> for netpatch_auth::Mirrors {
    fn from(input: RepositoryMirrorsInput) -> Self {
        Self {
            repository: input.repository,
            urls: input.urls,
        }
    }
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

    /// Whether hosts may go past the relay, with their sessions and for their packages. Where they may not, a host whose relays are lost
    /// waits for them; only one that knows of no relay at all asks the platform, which tells it of them and nothing else.
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

    /// Whether its relays may serve hosts without an agent, as an HTTP proxy for the site's repositories. Off unless somebody allows
    /// it, and only where a relay's own configuration has an address for it.
    async fn serves_proxy(&self) -> bool {
        self.0.serves_proxy
    }

    /// When its relays fetch ahead what approved waves will need, in its own time; none: at all hours.
    async fn staging_hours(&self) -> Vec<WeekHours> {
        self.0.staging_hours.iter().map(Into::into).collect()
    }

    /// Where its relays fetch, of repositories that are not fetched from where hosts name them. An upstream that fails is passed over
    /// for the next.
    async fn mirrors(&self) -> Vec<RepositoryMirrors> {
        let of = |of: &netpatch_auth::Mirrors| RepositoryMirrors {
            repository: of.repository.clone(),
            urls: of.urls.clone(),
        };
        self.0.mirrors.iter().map(of).collect()
    }

    /// Whether its relays make packages of the older versions that they hold and differences that the platform sends, where it has
    /// one. On unless somebody turns it off.
    async fn uses_deltas(&self) -> bool {
        self.0.uses_deltas
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
        let relays = self.own_relays(ctx).await?;
        Ok(Some(relays.into_iter().map(Relay).collect()))
    }

    /// What its relays gave to its hosts and fetched for them.
    #[graphql(complexity = "2 + child_complexity")]
    async fn traffic(&self, ctx: &Context<'_>) -> Result<Option<SiteTraffic>> {
        let relays = self.own_relays(ctx).await?;
        let sum = |of: fn(&netpatch_auth::Relay) -> u64| -> u64 {
            relays.iter().map(of).fold(0, u64::saturating_add)
        };
        Ok(Some(SiteTraffic {
            bytes_served: ByteCount(sum(|relay| relay.bytes_served)),
            bytes_fetched: ByteCount(sum(|relay| relay.bytes_fetched)),
            saved_bytes: ByteCount(sum(netpatch_auth::Relay::saved_bytes)),
            delta_saved_bytes: ByteCount(sum(|relay| relay.delta_saved_bytes)),
            stored_payloads: i32::try_from(sum(|relay| relay.stored)).unwrap_or(i32::MAX),
            cache_hit_ratio: netpatch_auth::hit_ratio(
                sum(|relay| relay.hits),
                sum(|relay| relay.misses),
            ),
        }))
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

impl Site {
    async fn own_relays(&self, ctx: &Context<'_>) -> Result<Vec<netpatch_auth::Relay>> {
        let session = session(ctx)?;
        let request = readable(session.inside(self.0.organization)?)?;
        let mut relays = session.apis.auth.relay_list(&request).await?;
        relays.retain(|relay| relay.site == self.0.id);
        Ok(relays)
    }
}
