//! Hardware rules of an organization: versioned; a change judges the updates of every host anew in the background.

use super::guard;
use crate::domain::hardware_rule::check;
use crate::service::Inventory;
use crate::store;
use netpatch_inventory_api::{
    HardwareRulesGet, HardwareRulesHeld, HardwareRulesSet, InventoryEventV1,
};
use netpatch_types::{RequestContext, ServiceError, ServiceResult, Sha256};

impl Inventory {
    pub(super) async fn hardware_rules(
        &self,
        ctx: &RequestContext,
        _: HardwareRulesGet,
    ) -> ServiceResult<HardwareRulesHeld> {
        let tenant = guard::one_organization(ctx)?;
        let tx = self.db.read(ctx).await?;
        Ok(store::scoring::hardware(&tx, tenant).await?)
    }

    pub(super) async fn set_hardware_rules(
        &self,
        ctx: &RequestContext,
        request: HardwareRulesSet,
    ) -> ServiceResult<HardwareRulesHeld> {
        guard::whole_organization(ctx)?;
        let tenant = ctx.tenant()?;
        check(&request.rules)?;
        let tx = self.db.write(ctx).await?;
        store::scoring::lock(&tx).await?;
        let held = store::scoring::hardware(&tx, tenant).await?;
        ServiceError::unless_read(request.if_match.as_deref(), &held.version.to_string())?;
        if held.rules == request.rules {
            return Ok(held);
        }
        let held = HardwareRulesHeld {
            tenant,
            version: held.version + 1,
            rules: request.rules,
            changed_at: Some(self.now()),
            changed_by: Some(ctx.actor.clone()),
        };
        store::scoring::set_hardware(&tx, &held).await?;
        let bytes = serde_json::to_vec(&held.rules).map_err(|error| {
            tracing::error!(%error, "hardware rules cannot be written as JSON");
            ServiceError::internal()
        })?;
        let event = InventoryEventV1::HardwareRulesChanged {
            version: held.version,
            rules: held.rules.iter().map(|rule| rule.name.clone()).collect(),
            digest: Sha256::of(&bytes),
            by: ctx.actor.clone(),
        };
        self.tell_about(&tx, tenant.0, event).await?;
        tx.commit().await?;
        self.hint().await;
        self.imported.notify_one();
        Ok(held)
    }
}
