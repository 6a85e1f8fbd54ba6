//! The block list. A change is followed by new decisions and new membership documents.

use super::{PolicyService, one_organization, whole_organization};
use crate::domain::spec::check_block;
use crate::store::{self, work};
use netpatch_policy_api::{BlockEntry, BlockSet};
use netpatch_types::{Permission, RequestContext, ServiceResult};

impl PolicyService {
    pub(super) async fn list_blocks(&self, ctx: &RequestContext) -> ServiceResult<Vec<BlockEntry>> {
        ctx.require(Permission::Read)?;
        let tenant = one_organization(ctx)?;
        let tx = self.database.read(ctx).await?;
        Ok(store::block::list(&tx, tenant).await?)
    }

    pub(super) async fn set_block(
        &self,
        ctx: &RequestContext,
        request: BlockSet,
    ) -> ServiceResult<Vec<BlockEntry>> {
        ctx.require(Permission::PolicyWrite)?;
        whole_organization(ctx)?;
        let tenant = ctx.tenant()?;
        let entry = BlockEntry {
            package: request.package,
            reason: request.reason,
        };
        check_block(&entry)?;
        let tx = self.database.write(ctx).await?;
        let changed = if request.blocked {
            store::block::put(&tx, &entry, self.clock.now()).await?
        } else {
            store::block::remove(&tx, &entry.package).await?
        };
        if changed {
            self.ask_evaluation(&tx).await?;
            work::ask(&tx, work::MEMBERSHIP, &[work::ALL.to_owned()]).await?;
        }
        let list = store::block::list(&tx, tenant).await?;
        tx.commit().await?;
        self.hint().await;
        Ok(list)
    }
}
