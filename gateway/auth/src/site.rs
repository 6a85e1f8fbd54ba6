//! Sites.

use crate::access::{reaches, readable, require_admin};
use crate::{Auth, IdentityEventV1, event, user::plain_name};
use chrono::{DateTime, Utc};
use netpatch_types::week::MAX_WEEK_RANGES;
use netpatch_types::{
    Bandwidth, OrganizationId, RequestContext, ServiceError, ServiceResult, SiteId, WeekHours,
};
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Mirrors of one of a site's repositories, and of a repository.
const MAX_MIRRORED: usize = 100;
const MAX_MIRRORS: usize = 8;

/// Where a site's relays fetch what lies in a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirrors {
    /// Base URL as hosts name it; one of the site's upstreams.
    pub repository: String,
    /// Base URLs to fetch from, in the order to try. The repository itself is asked only if it is among them.
    pub urls: Vec<String>,
}

/// A site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Id.
    pub id: SiteId,
    /// Whose.
    pub organization: OrganizationId,
    /// Unique in the organization.
    pub name: String,
    /// IANA.
    pub time_zone: String,
    /// Whether hosts may go past the relay.
    pub direct_allowed: bool,
    /// Base URLs of the repositories that the site's relay may serve.
    pub upstreams: Vec<String>,
    /// Whether its relays may try the ports that its hosts say they listen on. Off until somebody allows it.
    pub probes_exposure: bool,
    /// What its line may carry of what its relays fetch.
    pub bandwidth: Bandwidth,
    /// Whether its relays may serve hosts without an agent, as an HTTP proxy for the upstreams. Off until somebody allows it.
    pub serves_proxy: bool,
    /// When its relays fetch ahead, in its own time; none: at all hours.
    pub staging_hours: Vec<WeekHours>,
    /// Where its relays fetch, of repositories that are not fetched from where hosts name them.
    pub mirrors: Vec<Mirrors>,
    /// Whether its relays make packages of older versions and differences. On until somebody turns it off.
    pub uses_deltas: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A new site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteCreate {
    /// Unique in the organization.
    pub name: String,
    /// IANA.
    pub time_zone: String,
    /// Whether hosts may go past the relay.
    pub direct_allowed: bool,
    /// Base URLs of the repositories that the site's relay may serve; at most 100.
    pub upstreams: Vec<String>,
}

/// A change of a site; what is `None` stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteUpdate {
    /// Which.
    pub id: SiteId,
    /// Whether hosts may go past the relay.
    pub direct_allowed: Option<bool>,
    /// Whether its relays may try the ports that its hosts say they listen on.
    pub probes_exposure: Option<bool>,
    /// What its line may carry of what its relays fetch.
    pub bandwidth: Option<Bandwidth>,
    /// Whether its relays may serve hosts without an agent.
    pub serves_proxy: Option<bool>,
    /// When its relays fetch ahead; none: at all hours.
    pub staging_hours: Option<Vec<WeekHours>>,
    /// Where its relays fetch, all of it anew.
    pub mirrors: Option<Vec<Mirrors>>,
    /// Whether its relays make packages of older versions and differences.
    pub uses_deltas: Option<bool>,
}

impl SiteUpdate {
    /// A change of nothing.
    #[must_use]
    pub fn new(id: SiteId) -> Self {
        Self {
            id,
            direct_allowed: None,
            probes_exposure: None,
            bandwidth: None,
            serves_proxy: None,
            staging_hours: None,
            mirrors: None,
            uses_deltas: None,
        }
    }
}

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    name: String,
    time_zone: String,
    direct_allowed: bool,
    upstreams: serde_json::Value,
    probes_exposure: bool,
    bandwidth: serde_json::Value,
    serves_proxy: bool,
    staging_hours: serde_json::Value,
    mirrors: serde_json::Value,
    uses_deltas: bool,
    created_at: DateTime<Utc>,
}

impl From<Row> for Site {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            organization: row.tenant_id.into(),
            name: row.name,
            time_zone: row.time_zone,
            direct_allowed: row.direct_allowed,
            upstreams: serde_json::from_value(row.upstreams).unwrap_or_default(),
            probes_exposure: row.probes_exposure,
            bandwidth: serde_json::from_value(row.bandwidth).unwrap_or_default(),
            serves_proxy: row.serves_proxy,
            staging_hours: serde_json::from_value(row.staging_hours).unwrap_or_default(),
            mirrors: serde_json::from_value(row.mirrors).unwrap_or_default(),
            uses_deltas: row.uses_deltas,
            created_at: row.created_at,
        }
    }
}

const COLUMNS: &str = "tenant_id, id, name, time_zone, direct_allowed, upstreams, probes_exposure, bandwidth, serves_proxy, staging_hours, mirrors, uses_deltas, created_at";

impl Auth {
    /// Creates a site.
    pub async fn site_create(
        &self,
        ctx: &RequestContext,
        create: SiteCreate,
    ) -> ServiceResult<Site> {
        require_admin(ctx)?;
        if create.time_zone.parse::<chrono_tz::Tz>().is_err() {
            return Err(ServiceError::invalid(
                "timeZone",
                format!(
                    "{:?} is not an IANA time zone; use one like Europe/Berlin",
                    cut(&create.time_zone)
                ),
            ));
        }
        if create.upstreams.len() > 100 {
            return Err(ServiceError::invalid(
                "upstreams",
                "a site has at most 100 upstreams",
            ));
        }
        for upstream in &create.upstreams {
            check_base_url("upstreams", upstream)?;
        }
        let site = Site {
            id: SiteId::new(self.clock.now()),
            organization: ctx.tenant()?,
            name: plain_name("name", &create.name)?,
            time_zone: create.time_zone,
            direct_allowed: create.direct_allowed,
            upstreams: create
                .upstreams
                .iter()
                .map(|url| url.trim_end_matches('/').to_owned())
                .collect(),
            probes_exposure: false,
            bandwidth: Bandwidth::default(),
            serves_proxy: false,
            staging_hours: Vec::new(),
            mirrors: Vec::new(),
            uses_deltas: true,
            created_at: self.clock.now(),
        };
        let tx = self.db.write(ctx).await?;
        tx.execute(
            "insert into identity.sites (tenant_id, id, name, time_zone, direct_allowed, upstreams, created_at) values ($1, $2, $3, $4, $5, $6, $7)",
            [
                site.organization.0.into(),
                site.id.0.into(),
                site.name.clone().into(),
                site.time_zone.clone().into(),
                site.direct_allowed.into(),
                serde_json::json!(site.upstreams).into(),
                site.created_at.into(),
            ],
        )
        .await
        .map_err(|error| match error.duplicate() {
            Some(_) => ServiceError::invalid("name", "the organization has a site of this name"),
            None => error.into(),
        })?;
        event::append(
            &tx,
            ctx,
            &*self.clock,
            IdentityEventV1::SiteCreated { site: site.id },
        )
        .await?;
        tx.commit().await?;
        Ok(site)
    }

    /// Changes a site. What is as it was is not written.
    pub async fn site_update(
        &self,
        ctx: &RequestContext,
        update: SiteUpdate,
    ) -> ServiceResult<Site> {
        require_admin(ctx)?;
        let before = self.own_site(ctx, update.id).await?;
        let site = Site {
            direct_allowed: update.direct_allowed.unwrap_or(before.direct_allowed),
            probes_exposure: update.probes_exposure.unwrap_or(before.probes_exposure),
            bandwidth: update.bandwidth.unwrap_or_else(|| before.bandwidth.clone()),
            serves_proxy: update.serves_proxy.unwrap_or(before.serves_proxy),
            staging_hours: update
                .staging_hours
                .unwrap_or_else(|| before.staging_hours.clone()),
            mirrors: match update.mirrors {
                Some(mirrors) => checked_mirrors(mirrors, &before.upstreams)?,
                None => before.mirrors.clone(),
            },
            uses_deltas: update.uses_deltas.unwrap_or(before.uses_deltas),
            ..before.clone()
        };
        if site == before {
            return Ok(site);
        }
        site.bandwidth
            .check()
            .map_err(|why| ServiceError::invalid("bandwidth", why))?;
        if site.staging_hours.len() > MAX_WEEK_RANGES {
            let why = format!("a site has at most {MAX_WEEK_RANGES} ranges of hours");
            return Err(ServiceError::invalid("stagingHours", why));
        }
        for hours in &site.staging_hours {
            hours
                .check()
                .map_err(|why| ServiceError::invalid("stagingHours", why))?;
        }
        let tx = self.db.write(ctx).await?;
        tx.execute(
            "update identity.sites set probes_exposure = $3, bandwidth = $4, serves_proxy = $5, staging_hours = $6, mirrors = $7, uses_deltas = $8, direct_allowed = $9 where tenant_id = $1 and id = $2",
            [
                site.organization.0.into(),
                site.id.0.into(),
                site.probes_exposure.into(),
                serde_json::json!(site.bandwidth).into(),
                site.serves_proxy.into(),
                serde_json::json!(site.staging_hours).into(),
                serde_json::json!(site.mirrors).into(),
                site.uses_deltas.into(),
                site.direct_allowed.into(),
            ],
        )
        .await?;
        let event = IdentityEventV1::SiteChanged {
            site: site.id,
            probes_exposure: site.probes_exposure,
            bandwidth: site.bandwidth.clone(),
            serves_proxy: site.serves_proxy,
            staging_hours: site.staging_hours.clone(),
            mirrors: site.mirrors.clone(),
            uses_deltas: site.uses_deltas,
            direct_allowed: Some(site.direct_allowed),
        };
        event::append(&tx, ctx, &*self.clock, event).await?;
        tx.commit().await?;
        Ok(site)
    }

    /// Sites that the request may read, by name.
    pub async fn site_list(&self, ctx: &RequestContext) -> ServiceResult<Vec<Site>> {
        let tx = self.db.read(ctx).await?;
        let sql = format!(
            "select {COLUMNS} from identity.sites where tenant_id = any($1) order by name, id limit 10000"
        );
        let rows = tx.all::<Row>(&sql, [readable(ctx)]).await?;
        let sites = rows.into_iter().map(Site::from);
        Ok(sites.filter(|site| reaches(ctx, site.id)).collect())
    }

    /// One site.
    pub async fn site_get(&self, ctx: &RequestContext, id: SiteId) -> ServiceResult<Site> {
        let tx = self.db.read(ctx).await?;
        let sql =
            format!("select {COLUMNS} from identity.sites where tenant_id = any($1) and id = $2");
        let row = tx.one::<Row>(&sql, [readable(ctx), id.0.into()]).await?;
        row.map(Site::from)
            .filter(|site| reaches(ctx, site.id))
            .ok_or_else(|| ServiceError::not_found("site"))
    }

    /// A site of the one organization that the request writes to.
    pub(crate) async fn own_site(&self, ctx: &RequestContext, id: SiteId) -> ServiceResult<Site> {
        let tenant = ctx.tenant()?;
        let site = self.site_get(ctx, id).await?;
        if site.organization == tenant {
            Ok(site)
        } else {
            Err(ServiceError::not_found("site"))
        }
    }
}

fn check_base_url(field: &str, url: &str) -> ServiceResult<()> {
    let known = url.starts_with("http://") || url.starts_with("https://");
    if !known || url.len() > 500 || url.contains(char::is_whitespace) {
        let why = format!(
            "{:?} is not the base URL of a repository (http:// or https://)",
            cut(url)
        );
        return Err(ServiceError::invalid(field, why));
    }
    Ok(())
}

/// Without last slashes, sorted by repository.
fn checked_mirrors(mirrors: Vec<Mirrors>, upstreams: &[String]) -> ServiceResult<Vec<Mirrors>> {
    let invalid = |why: String| Err(ServiceError::invalid("mirrors", why));
    if mirrors.len() > MAX_MIRRORED {
        return invalid(format!(
            "a site names mirrors of at most {MAX_MIRRORED} repositories"
        ));
    }
    let plain = |url: &String| url.trim_end_matches('/').to_owned();
    let mut checked: Vec<Mirrors> = Vec::new();
    for of in mirrors {
        let repository = plain(&of.repository);
        if !upstreams.contains(&repository) {
            let shown = cut(&repository);
            return invalid(format!("{shown:?} is not one of the site's repositories"));
        }
        if of.urls.is_empty() || of.urls.len() > MAX_MIRRORS {
            return invalid(format!("a repository has 1 to {MAX_MIRRORS} mirrors"));
        }
        for url in &of.urls {
            check_base_url("mirrors", url)?;
        }
        let urls = of.urls.iter().map(plain).collect();
        checked.push(Mirrors { repository, urls });
    }
    checked.sort_by(|left, right| left.repository.cmp(&right.repository));
    let is_twice = |pair: &[Mirrors]| matches!(pair, [a, b] if a.repository == b.repository);
    match checked.windows(2).find(|pair| is_twice(pair)) {
        Some(pair) => {
            let twice = pair.first().map(|of| cut(&of.repository));
            invalid(format!("{:?} stands twice", twice.unwrap_or_default()))
        }
        None => Ok(checked),
    }
}

pub(crate) fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}
