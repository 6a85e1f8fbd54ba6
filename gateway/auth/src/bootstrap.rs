//! The first administrator.

use crate::{Auth, OrganizationKind, Role, UserCreate, secret};
use netpatch_types::{ErrorCode, OrganizationId, RequestContext, ServiceError, ServiceResult};
use serde::{Deserialize, Serialize};

/// Who may sign in first. Shown once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootstrapAdmin {
    /// `admin@localhost`.
    pub email: String,
    /// Random.
    pub password: String,
}

/// In the key folder until the password is changed.
pub(crate) const FILE: &str = "bootstrap-admin";

impl Auth {
    /// Makes the partner organization "Platform" with its owner, at the first start only. The secret is written to the key
    /// folder before the user exists, so a crash in between repeats the same password instead of losing it.
    pub async fn bootstrap(&self) -> ServiceResult<Option<BootstrapAdmin>> {
        let organization = self.platform_organization()?;
        let ctx = RequestContext::system(organization, "bootstrap", self.clock.now());
        match self.organization_get(&ctx, organization).await {
            Err(error) if error.code == ErrorCode::NotFound => {
                self.organization_insert(
                    &ctx,
                    organization,
                    "Platform",
                    OrganizationKind::Partner,
                    None,
                )
                .await?;
            }
            found => {
                found?;
            }
        }
        let tx = self.db.read(&ctx).await?;
        let users: Option<i64> = tx
            .value(
                "select count(*) from identity.users where tenant_id = $1",
                [organization.0.into()],
            )
            .await?;
        drop(tx);
        if users.unwrap_or(0) > 0 {
            return Ok(None);
        }
        let fresh = BootstrapAdmin {
            email: "admin@localhost".to_owned(),
            password: secret::random(""),
        };
        let bytes = self
            .keys
            .load_or_create(FILE, || {
                serde_json::to_vec(&fresh).map_err(std::io::Error::other)
            })
            .map_err(unreadable)?;
        let admin: BootstrapAdmin =
            serde_json::from_slice(&bytes).map_err(|error| unreadable(error.into()))?;
        let create = UserCreate {
            email: admin.email.clone(),
            name: "Administrator".to_owned(),
            roles: vec![Role::Owner],
        };
        self.user_insert(&ctx, create, admin.password.clone(), true)
            .await?;
        Ok(Some(admin))
    }

    /// The id of the platform's own organization, made at first use.
    fn platform_organization(&self) -> ServiceResult<OrganizationId> {
        let now = self.clock.now();
        let bytes = self
            .keys
            .load_or_create("platform-organization", || {
                Ok(OrganizationId::new(now).to_string().into_bytes())
            })
            .map_err(unreadable)?;
        String::from_utf8_lossy(&bytes).trim().parse::<uuid::Uuid>().map(OrganizationId).map_err(|error| {
            tracing::error!(%error, "the file platform-organization in the key folder is damaged");
            ServiceError::internal()
        })
    }
}

pub(crate) fn unreadable(error: std::io::Error) -> ServiceError {
    tracing::error!(%error, "the key folder cannot be used");
    ServiceError::internal()
}
