//! `siteCreate`, `siteUpdate`, `siteScanScheduleSet`.

use super::{answer, payload};
use crate::graphql::context::{organization_id, tenant_id};
use crate::graphql::model::{BandwidthInput, RepositoryMirrorsInput, Site, WeekHoursInput};
use crate::graphql::once::{Once, first, once};
use crate::graphql::{Result, TimeZone, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_auth::{SiteCreate, SiteUpdate};
use netpatch_policy_api as policy;
use netpatch_types::{ServiceError, SiteId};

/// A new site.
#[derive(Clone, InputObject)]
pub struct SiteCreateInput {
    /// Whose.
    organization_id: ID,
    /// Name, unique in the organization.
    name: String,
    /// Time zone of the site.
    time_zone: TimeZone,
    /// Whether hosts may go past the relay.
    #[graphql(default_with = "Some(true)")]
    direct_allowed: Option<bool>,
    /// Base URLs of the repositories that the site's relay may serve.
    upstreams: Option<Vec<String>>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

/// A change of a site; what is absent stays.
#[derive(Clone, InputObject)]
pub struct SiteUpdateInput {
    /// Which.
    id: ID,
    /// Whether hosts may go past the relay, with their sessions and for their packages. Forbidden, a host whose relays are lost waits for
    /// them, even over a restart.
    direct_allowed: Option<bool>,
    /// Whether its relays may try the ports that its hosts say they listen on.
    probes_exposure: Option<bool>,
    /// What its line may carry of what its relays fetch, all of it anew.
    bandwidth: Option<BandwidthInput>,
    /// Whether its relays may serve hosts without an agent, as an HTTP proxy for the site's repositories.
    serves_proxy: Option<bool>,
    /// When its relays fetch ahead what approved waves will need, at most 50 ranges, all of them anew; none: at all hours.
    staging_hours: Option<Vec<WeekHoursInput>>,
    /// Where its relays fetch, of repositories that are not to be fetched from where hosts name them; all of it anew.
    mirrors: Option<Vec<RepositoryMirrorsInput>>,
    /// Whether its relays make packages of older versions and differences.
    uses_deltas: Option<bool>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

/// Says when the hosts of a site are scanned without being asked.
#[derive(Clone, InputObject)]
pub struct SiteScanScheduleSetInput {
    /// Which site.
    id: ID,
    /// `MINUTE HOUR DAY MONTH WEEKDAY` in each host's own time, for instance `30 3 * * *`; null: as each host's own configuration
    /// says. That outweighs what is said here.
    cron: Option<String>,
    /// Seconds over which the hosts spread each of these times, 0 to 86400.
    #[graphql(default_with = "Some(900)")]
    jitter_seconds: Option<i32>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `siteCreate`.
    SiteCreatePayload {
        /// The site.
        site: Site,
    }
}

payload! {
    /// Answer of `siteUpdate`.
    SiteUpdatePayload {
        /// The site.
        site: Site,
    }
}

payload! {
    /// Answer of `siteScanScheduleSet`.
    SiteScanScheduleSetPayload {
        /// The site.
        site: Site,
    }
}

/// Sites.
#[derive(Default)]
pub struct SiteMutation;

#[Object]
impl SiteMutation {
    /// Makes a site.
    #[graphql(complexity = "10 + child_complexity")]
    async fn site_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: SiteCreateInput,
    ) -> Result<SiteCreatePayload> {
        answer(create(ctx, input).await)
    }

    /// Changes a site.
    #[graphql(complexity = "10 + child_complexity")]
    async fn site_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: SiteUpdateInput,
    ) -> Result<SiteUpdatePayload> {
        answer(update(ctx, input).await)
    }

    /// Says when the hosts of a site are scanned without being asked.
    #[graphql(complexity = "10 + child_complexity")]
    async fn site_scan_schedule_set(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: SiteScanScheduleSetInput,
    ) -> Result<SiteScanScheduleSetPayload> {
        answer(schedule(ctx, input).await)
    }
}

async fn update(ctx: &Context<'_>, input: SiteUpdateInput) -> Result<SiteUpdatePayload> {
    let session = session(ctx)?;
    let auth = &session.apis.auth;
    let (of, id) = tenant_id::<SiteId>(&input.id, SiteId::PREFIX, "site")?;
    let request = session
        .inside(of)
        .map_err(|_| ServiceError::not_found("site"))?;
    let staging_hours = input.staging_hours.clone().map(|ranges| {
        let ranges = ranges.into_iter();
        ranges.map(|hours| hours.read("stagingHours")).collect()
    });
    let change = SiteUpdate {
        id,
        direct_allowed: input.direct_allowed,
        probes_exposure: input.probes_exposure,
        staging_hours: staging_hours.transpose()?,
        bandwidth: input
            .bandwidth
            .clone()
            .map(BandwidthInput::read)
            .transpose()?,
        serves_proxy: input.serves_proxy,
        mirrors: input
            .mirrors
            .clone()
            .map(|all| all.into_iter().map(Into::into).collect()),
        uses_deltas: input.uses_deltas,
    };
    let work = auth.site_update(&request, change);
    let made = once(
        session,
        &request,
        "siteUpdate",
        &input.idempotency_key,
        &input,
        work,
        |site| vec![site.id.0],
    )
    .await?;
    let site = match made {
        Once::Done(site) => site,
        Once::Before(ids) => auth.site_get(&request, first(&ids)?).await?,
    };
    Ok(SiteUpdatePayload {
        site: Some(Site(site)),
        ..Default::default()
    })
}

async fn create(ctx: &Context<'_>, input: SiteCreateInput) -> Result<SiteCreatePayload> {
    let session = session(ctx)?;
    let auth = &session.apis.auth;
    let request = session.inside(organization_id(&input.organization_id)?)?;
    let create = SiteCreate {
        name: input.name.clone(),
        time_zone: input.time_zone.0.name().to_owned(),
        direct_allowed: input.direct_allowed.unwrap_or(true),
        upstreams: input.upstreams.clone().unwrap_or_default(),
    };
    let work = auth.site_create(&request, create);
    let made = once(
        session,
        &request,
        "siteCreate",
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.id.0],
    )
    .await?;
    let site = match made {
        Once::Done(site) => site,
        Once::Before(ids) => auth.site_get(&request, first(&ids)?).await?,
    };
    Ok(SiteCreatePayload {
        site: Some(Site(site)),
        ..Default::default()
    })
}

async fn schedule(
    ctx: &Context<'_>,
    input: SiteScanScheduleSetInput,
) -> Result<SiteScanScheduleSetPayload> {
    let session = session(ctx)?;
    let (organization, site) = tenant_id::<SiteId>(&input.id, SiteId::PREFIX, "site")?;
    let request = session.inside(organization)?;
    // Policy does not know which sites there are.
    let found = session.apis.auth.site_get(&request, site).await?;
    if found.organization != organization {
        return Err(ServiceError::not_found("site"));
    }
    let jitter = input.jitter_seconds.unwrap_or(900);
    let jitter_seconds = u32::try_from(jitter)
        .map_err(|_| ServiceError::invalid("jitterSeconds", "a jitter is 0 to 86400 seconds"))?;
    let set = policy::ScanScheduleSet {
        site,
        rule: input.cron.clone().map(|cron| policy::ScanRule {
            cron,
            jitter_seconds,
        }),
    };
    let work = session.apis.policy.scan_schedule_set(&request, set);
    once(
        session,
        &request,
        "siteScanScheduleSet",
        &input.idempotency_key,
        &input,
        work,
        |_| Vec::new(),
    )
    .await?;
    Ok(SiteScanScheduleSetPayload {
        site: Some(Site(found)),
        ..Default::default()
    })
}
