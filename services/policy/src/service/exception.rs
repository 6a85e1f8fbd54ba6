//! Exceptions: ask, end, read; and those in force for inventory, which moves the deadlines.

use super::policy::json_digest;
use super::{PolicyService, whole_organization};
use crate::domain::exception::check_exception;
use crate::store::{self, work};
use netpatch_inventory_api as inventory;
use netpatch_policy_api::*;
use netpatch_storage::TenantTx;
use netpatch_types::{
    ExceptionId, Page, Permission, RequestContext, ServiceError, ServiceResult, TenantId,
};

fn not_found() -> ServiceError {
    ServiceError::not_found("exception")
}

impl PolicyService {
    pub(super) async fn request_exception(
        &self,
        ctx: &RequestContext,
        request: ExceptionRequest,
    ) -> ServiceResult<Exception> {
        ctx.require(Permission::Deploy)?;
        whole_organization(ctx)?;
        let tenant = ctx.tenant()?;
        let now = self.clock.now();
        check_exception(&request.spec, now)?;
        if !(1..=5).contains(&request.required) {
            return Err(ServiceError::invalid(
                "required",
                format!("{} approvals; ask for 1 to 5", request.required),
            ));
        }
        self.check_group(tenant, request.spec.covers.group).await?;
        let id = ExceptionId::new(now);
        let title = format!(
            "accept lateness until {}: {}",
            request.spec.until.format("%Y-%m-%d"),
            request.spec.name
        );
        let asked = ApprovalRequest {
            subject: Subject::Exception { exception: id },
            required: request.required,
        };
        let mut asked = self.asked(ctx, tenant, asked, title);
        // What people approve is exactly this.
        asked.standing.approval.content_digest = Some(json_digest(&request.spec)?);
        let tx = self.database.write(ctx).await?;
        store::approval::lock(&tx).await?;
        store::exception::insert(&tx, id, &request.spec, &ctx.actor, now).await?;
        self.begin(&tx, asked).await?;
        let made = store::exception::get_of(&tx, id, now)
            .await?
            .ok_or_else(ServiceError::internal)?;
        self.exception_changed(ctx, &tx, &made).await?;
        tx.commit().await?;
        self.hint().await;
        Ok(made)
    }

    pub(super) async fn end_exception(
        &self,
        ctx: &RequestContext,
        request: ExceptionEnd,
    ) -> ServiceResult<Exception> {
        ctx.require(Permission::Deploy)?;
        whole_organization(ctx)?;
        let now = self.clock.now();
        let tx = self.database.write(ctx).await?;
        store::approval::lock(&tx).await?;
        let held = store::exception::get_of(&tx, request.id, now)
            .await?
            .ok_or_else(not_found)?;
        if !store::exception::end(&tx, request.id, now).await? {
            return Ok(held);
        }
        if held.approval.status == ApprovalStatus::Awaiting
            && let Some(stored) =
                store::approval::get_of(&tx, held.tenant, held.approval.id).await?
        {
            self.expire(&tx, stored, "taken back").await?;
        }
        let ended = store::exception::get_of(&tx, request.id, now)
            .await?
            .ok_or_else(not_found)?;
        self.exception_changed(ctx, &tx, &ended).await?;
        work::ask(&tx, work::EXCEPTIONS, &[work::ALL.to_owned()]).await?;
        tx.commit().await?;
        self.hint().await;
        Ok(ended)
    }

    pub(super) async fn get_exception(
        &self,
        ctx: &RequestContext,
        request: ExceptionGet,
    ) -> ServiceResult<Exception> {
        ctx.require(Permission::Read)?;
        let tx = self.database.read(ctx).await?;
        store::exception::get(&tx, request.id, self.clock.now())
            .await?
            .ok_or_else(not_found)
    }

    pub(super) async fn list_exceptions(
        &self,
        ctx: &RequestContext,
        request: ExceptionList,
    ) -> ServiceResult<Page<Exception>> {
        ctx.require(Permission::Read)?;
        let wrong = |_| ServiceError::invalid("after", "this cursor is not of this list");
        let after = request.page.after.as_deref();
        let after = after
            .map(uuid::Uuid::try_parse)
            .transpose()
            .map_err(wrong)?;
        let limit = request.page.limit();
        let tx = self.database.read(ctx).await?;
        let now = self.clock.now();
        let rows = store::exception::list(&tx, request.tenant, after, limit + 1, now).await?;
        Ok(Page::from_rows(rows, limit, |exception| {
            exception.id.to_string()
        }))
    }

    /// People decided about an exception: it holds until its end, or not any more.
    pub(super) async fn exception_decided(
        &self,
        tx: &TenantTx,
        stored: &mut store::approval::Stored,
        id: ExceptionId,
    ) -> ServiceResult<()> {
        let held = store::exception::get_of(tx, id, self.clock.now())
            .await?
            .ok_or_else(not_found)?;
        let approval = &mut stored.standing.approval;
        if approval.status == ApprovalStatus::Approved {
            if matches!(
                held.status,
                ExceptionStatus::Ended | ExceptionStatus::Expired
            ) {
                return Err(ServiceError::invalid_state(
                    "the exception is over; ask for another one",
                ));
            }
            approval.expires_at = Some(held.spec.until);
        }
        work::ask(tx, work::EXCEPTIONS, &[work::ALL.to_owned()]).await?;
        Ok(())
    }

    /// The event for the ledger.
    async fn exception_changed(
        &self,
        ctx: &RequestContext,
        tx: &TenantTx,
        exception: &Exception,
    ) -> ServiceResult<()> {
        let event = PolicyEventV1::ExceptionChanged {
            exception: exception.id,
            name: exception.spec.name.clone(),
            until: exception.spec.until,
            ended: exception.ended_at.is_some(),
            digest: json_digest(&exception.spec)?,
            by: ctx.actor.clone(),
        };
        Ok(self.emit(tx, &exception.id.to_string(), event).await?)
    }

    /// Hands the exceptions in force to inventory. Each call has a version of its own, so one that failed is made again.
    pub(crate) async fn hand_over_exceptions(&self, tenant: TenantId) -> ServiceResult<()> {
        let ctx = self.system(tenant);
        let tx = self.database.write(&ctx).await?;
        let (version, all) = store::exception::in_force(&tx, self.clock.now()).await?;
        tx.commit().await?;
        let exceptions = all
            .into_iter()
            .map(|exception| inventory::Exception {
                id: exception.id,
                name: exception.spec.name,
                until: exception.spec.until,
                covers: exception.spec.covers,
            })
            .collect();
        let set = inventory::ExceptionsSet {
            version,
            exceptions,
        };
        self.inventory.exceptions_set(&ctx, set).await?;
        Ok(())
    }
}
