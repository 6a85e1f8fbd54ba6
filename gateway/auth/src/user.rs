//! Local users.

use crate::{Auth, IdentityEventV1, Role, event, password, secret};
use netpatch_storage::TenantTx;
use netpatch_types::{Permission, RequestContext, ServiceError, ServiceResult, UserId};

/// A person who signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// Unique on the platform.
    pub email: String,
    /// What others read.
    pub name: String,
}

/// A new user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCreate {
    /// Unique on the platform.
    pub email: String,
    /// What others read.
    pub name: String,
    /// At least one; an auditor has no other.
    pub roles: Vec<Role>,
}

impl Auth {
    /// Creates a user with a random password, which is in the answer only.
    pub async fn user_create(
        &self,
        ctx: &RequestContext,
        create: UserCreate,
    ) -> ServiceResult<(User, String)> {
        ctx.require(Permission::Admin)?;
        let password = secret::random("");
        let user = self
            .user_insert(ctx, create, password.clone(), false)
            .await?;
        Ok((user, password))
    }

    pub(crate) async fn user_insert(
        &self,
        ctx: &RequestContext,
        create: UserCreate,
        password: String,
        bootstrap: bool,
    ) -> ServiceResult<User> {
        if create.roles.is_empty() {
            return Err(ServiceError::invalid(
                "roles",
                "a user needs at least one role",
            ));
        }
        if create.roles.contains(&Role::Auditor) && create.roles.len() > 1 {
            return Err(ServiceError::invalid(
                "roles",
                "an auditor holds no other role",
            ));
        }
        let user = User {
            id: UserId::new(self.clock.now()),
            email: email(&create.email)?,
            name: plain_name("name", &create.name)?,
        };
        let hash = password::hash(password).await?;
        let tx = self.db.write(ctx).await?;
        let tenant = tx.tenant()?;
        let free: Option<bool> = tx
            .value(
                "select identity.user_enter($1, $2, $3)",
                [
                    secret::hash(&user.email).into(),
                    tenant.0.into(),
                    user.id.0.into(),
                ],
            )
            .await?;
        if free != Some(true) {
            return Err(ServiceError::invalid(
                "email",
                "this e-mail address cannot be used",
            ));
        }
        tx.execute(
            "insert into identity.users (tenant_id, id, email, name, password_hash, bootstrap, created_at) values ($1, $2, $3, $4, $5, $6, $7)",
            [
                tenant.0.into(),
                user.id.0.into(),
                user.email.clone().into(),
                user.name.clone().into(),
                hash.into(),
                bootstrap.into(),
                self.clock.now().into(),
            ],
        )
        .await?;
        for role in &create.roles {
            grant(&tx, user.id, *role).await?;
        }
        event::append(
            &tx,
            ctx,
            &*self.clock,
            IdentityEventV1::UserCreated { user: user.id },
        )
        .await?;
        tx.commit().await?;
        Ok(user)
    }
}

async fn grant(tx: &TenantTx, user: UserId, role: Role) -> ServiceResult<()> {
    tx.execute(
        "insert into identity.grants (tenant_id, user_id, role) values ($1, $2, $3) on conflict do nothing",
        [tx.tenant()?.0.into(), user.0.into(), role.as_str().into()],
    )
    .await?;
    Ok(())
}

/// One form of an e-mail address: trimmed, lower case.
pub(crate) fn email(text: &str) -> ServiceResult<String> {
    let text = text.trim().to_lowercase();
    let shape = text
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if shape && text.len() <= 254 && !text.contains(char::is_whitespace) {
        Ok(text)
    } else {
        Err(ServiceError::invalid(
            "email",
            "this is not an e-mail address; it has the form name@example.com",
        ))
    }
}

/// 1–80 characters without control characters.
pub(crate) fn plain_name(field: &str, text: &str) -> ServiceResult<String> {
    let text = text.trim();
    if (1..=80).contains(&text.chars().count()) && !text.contains(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(ServiceError::invalid(
            field,
            "a name has 1 to 80 characters and no control characters",
        ))
    }
}
