//! Risk weights of an organization: versioned; a change ranks every open finding anew in the background.

use super::guard;
use crate::service::Inventory;
use crate::store;
use netpatch_inventory_api::{
    InventoryEvent, InventoryEventV1, RiskWeightsGet, RiskWeightsHeld, RiskWeightsSet,
};
use netpatch_storage::outbox;
use netpatch_types::{RequestContext, ServiceError, ServiceResult, Sha256};

impl Inventory {
    pub(super) async fn weights(
        &self,
        ctx: &RequestContext,
        request: RiskWeightsGet,
    ) -> ServiceResult<RiskWeightsHeld> {
        let tenant = guard::one_organization(ctx)?;
        let tx = self.db.read(ctx).await?;
        match request.version {
            None => Ok(store::scoring::weights(&tx, tenant).await?),
            Some(version) => store::scoring::weights_at(&tx, tenant, version)
                .await?
                .ok_or_else(|| ServiceError::not_found("version of the risk weights")),
        }
    }

    pub(super) async fn set_weights(
        &self,
        ctx: &RequestContext,
        request: RiskWeightsSet,
    ) -> ServiceResult<RiskWeightsHeld> {
        guard::whole_organization(ctx)?;
        let tenant = ctx.tenant()?;
        if let Some(problem) = request.weights.problem() {
            return Err(ServiceError::invalid("weights", problem));
        }
        let tx = self.db.write(ctx).await?;
        store::scoring::lock(&tx).await?;
        let held = store::scoring::weights(&tx, tenant).await?;
        ServiceError::unless_read(request.if_match.as_deref(), &held.version.to_string())?;
        if held.weights == request.weights {
            return Ok(held);
        }
        let held = RiskWeightsHeld {
            tenant,
            version: held.version + 1,
            weights: request.weights,
            changed_at: Some(self.now()),
            changed_by: Some(ctx.actor.clone()),
        };
        store::scoring::set_weights(&tx, &held).await?;
        let digest = serde_json::to_vec(&held.weights)
            .map(|bytes| Sha256::of(&bytes))
            .map_err(|error| {
                tracing::error!(%error, "risk weights cannot be written as JSON");
                ServiceError::internal()
            })?;
        let event = InventoryEventV1::RiskWeightsChanged {
            version: held.version,
            weights: held.weights,
            digest,
            by: ctx.actor.clone(),
        };
        outbox::append(
            &tx,
            store::migrations::SCHEMA,
            &format!("weights:{tenant}"),
            &InventoryEvent::V1(event),
            &*self.clock,
        )
        .await?;
        tx.commit().await?;
        self.hint().await;
        self.imported.notify_one();
        Ok(held)
    }
}
