//! Groups.

use crate::service::Inventory;
use crate::store;
use netpatch_inventory_api::{Group, GroupCreate};
use netpatch_storage::TenantTx;
use netpatch_types::{GroupId, RequestContext, Selector, ServiceError, ServiceResult};

impl Inventory {
    pub(super) async fn create_group(
        &self,
        ctx: &RequestContext,
        request: GroupCreate,
    ) -> ServiceResult<Group> {
        let name = request.name.trim();
        if name.is_empty() || name.chars().count() > 80 || name.chars().any(char::is_control) {
            return Err(ServiceError::invalid("name", "1-80 characters"));
        }
        let terms = request
            .selector
            .any_of
            .values()
            .chain(request.selector.none_of.values());
        if terms.clone().count() > 50 || terms.into_iter().any(|values| values.len() > 500) {
            return Err(ServiceError::invalid(
                "selector",
                "at most 50 terms of 500 values",
            ));
        }
        let id = GroupId::new(self.clock.now());
        let tx = self.db.write(ctx).await?;
        store::group::insert(&tx, id, name, &request.selector).await?;
        tx.commit().await?;
        Ok(Group {
            id,
            tenant: ctx.tenant()?,
            name: name.to_owned(),
            selector: request.selector,
        })
    }
}

/// The selector of a group that is named; an absent group is an error.
pub(super) async fn selector(
    tx: &TenantTx,
    group: Option<GroupId>,
) -> ServiceResult<Option<Selector>> {
    match group {
        None => Ok(None),
        Some(id) => {
            let group = store::group::get(tx, id)
                .await?
                .ok_or_else(|| ServiceError::not_found("group"))?;
            Ok(Some(group.selector))
        }
    }
}
