//! By which ways the hosts of a site may go. A change is followed by new membership documents.

use super::PolicyService;
use crate::store::{self, work};
use netpatch_policy_api::SiteWay;
use netpatch_types::{ActorKind, RequestContext, ServiceError, ServiceResult};

impl PolicyService {
    pub(super) async fn set_site_way(
        &self,
        ctx: &RequestContext,
        way: SiteWay,
    ) -> ServiceResult<SiteWay> {
        if ctx.actor.kind != ActorKind::System {
            return Err(ServiceError::forbidden(
                "only the platform itself does this",
            ));
        }
        ctx.tenant()?;
        let tx = self.database.write(ctx).await?;
        if store::site::put(&tx, way, self.clock.now()).await? {
            work::ask(&tx, work::MEMBERSHIP, &[work::of_site(way.site)]).await?;
        }
        tx.commit().await?;
        self.hint().await;
        Ok(way)
    }
}
