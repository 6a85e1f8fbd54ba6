//! When the hosts of a site are scanned. A change is followed by new membership documents.

use super::{PolicyService, one_organization};
use crate::store::{self, work};
use netpatch_policy_api::{
    MAX_SCAN_SITES, ScanRule, ScanSchedule, ScanScheduleList, ScanScheduleSet,
};
use netpatch_types::{ErrorCode, Permission, RequestContext, ServiceError, ServiceResult, SiteId};
use netpatch_window::{InvalidSchedule, Schedule};
use std::time::Duration;

/// As the agents will read it.
fn check(rule: &ScanRule) -> ServiceResult<ScanRule> {
    let cron = rule.cron.split_whitespace().collect::<Vec<_>>().join(" ");
    let jitter = Duration::from_secs(u64::from(rule.jitter_seconds));
    Schedule::cron(&cron, jitter).map_err(|error| match error {
        InvalidSchedule::Expression { .. } => ServiceError::invalid(
            "cron",
            format!("{error}; write MINUTE HOUR DAY MONTH WEEKDAY, for instance 30 3 * * *"),
        ),
        InvalidSchedule::Jitter => ServiceError::invalid("jitterSeconds", error.to_string()),
    })?;
    Ok(ScanRule {
        cron,
        jitter_seconds: rule.jitter_seconds,
    })
}

fn reaches(ctx: &RequestContext, site: SiteId) -> bool {
    ctx.sites.as_ref().is_none_or(|sites| sites.contains(&site))
}

impl PolicyService {
    pub(super) async fn list_scan_schedules(
        &self,
        ctx: &RequestContext,
        request: ScanScheduleList,
    ) -> ServiceResult<Vec<ScanSchedule>> {
        ctx.require(Permission::Read)?;
        let tenant = one_organization(ctx)?;
        if request.sites.len() > MAX_SCAN_SITES {
            return Err(ServiceError::new(
                ErrorCode::LimitExceeded,
                format!("more than {MAX_SCAN_SITES} sites"),
            ));
        }
        let mut sites = request.sites;
        sites.retain(|site| reaches(ctx, *site));
        let tx = self.database.read(ctx).await?;
        Ok(store::scan::of_sites(&tx, tenant, &sites).await?)
    }

    pub(super) async fn set_scan_schedule(
        &self,
        ctx: &RequestContext,
        request: ScanScheduleSet,
    ) -> ServiceResult<Option<ScanSchedule>> {
        ctx.require(Permission::PolicyWrite)?;
        ctx.tenant()?;
        let site = request.site;
        if !reaches(ctx, site) {
            return Err(ServiceError::not_found("site"));
        }
        let rule = request.rule.as_ref().map(check).transpose()?;
        let tx = self.database.write(ctx).await?;
        let changed = match &rule {
            Some(rule) => store::scan::put(&tx, site, rule, self.clock.now()).await?,
            None => store::scan::remove(&tx, site).await?,
        };
        if changed {
            work::ask(&tx, work::MEMBERSHIP, &[work::of_site(site)]).await?;
        }
        tx.commit().await?;
        self.hint().await;
        Ok(rule.map(|rule| ScanSchedule { site, rule }))
    }
}
