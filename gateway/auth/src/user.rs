//! Local users.

use crate::access::{permissions_of, readable, require_admin, require_admin_person};
use crate::bootstrap::{self, unreadable};
use crate::{Auth, IdentityEventV1, Principal, Role, event, password, secret};
use netpatch_storage::TenantTx;
use netpatch_types::{
    ActorKind, ErrorCode, Permission, RequestContext, ServiceError, ServiceResult, UserId,
};
use sea_orm::FromQueryResult;
use uuid::Uuid;

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

/// A user as administrators see one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: User,
    /// What the user is here, in the order of [`Role::ALL`].
    pub roles: Vec<Role>,
    /// Whether the user may sign in.
    pub active: bool,
}

#[derive(FromQueryResult)]
struct MemberRow {
    id: Uuid,
    email: String,
    name: String,
    active: bool,
    roles: serde_json::Value,
}

impl From<MemberRow> for Member {
    fn from(row: MemberRow) -> Self {
        let words: Vec<String> = serde_json::from_value(row.roles).unwrap_or_default();
        let holds = |role: &Role| words.iter().any(|word| word == role.as_str());
        Self {
            user: User {
                id: row.id.into(),
                email: row.email,
                name: row.name,
            },
            roles: Role::ALL.into_iter().filter(holds).collect(),
            active: row.active,
        }
    }
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
    /// An organization's users by name, at most 1,000; for its administrators.
    pub async fn member_list(&self, ctx: &RequestContext) -> ServiceResult<Vec<Member>> {
        require_admin(ctx)?;
        let tx = self.db.read(ctx).await?;
        let sql = "select u.id, u.email, u.name, u.active, \
                   coalesce((select jsonb_agg(g.role) from identity.grants g \
                             where g.tenant_id = u.tenant_id and g.user_id = u.id), '[]') as roles \
                   from identity.users u where u.tenant_id = any($1) order by lower(u.name), u.id limit 1000";
        let rows = tx.all::<MemberRow>(sql, [readable(ctx)]).await?;
        Ok(rows.into_iter().map(Member::from).collect())
    }

    /// Creates a user with a random password, which is in the answer only. Nobody gives rights that they do not have; a
    /// partner makes an administrator of a customer only while the customer has none, or it would decide for the customer.
    pub async fn user_create(
        &self,
        ctx: &RequestContext,
        create: UserCreate,
    ) -> ServiceResult<(User, String)> {
        require_admin_person(ctx)?;
        let given = permissions_of(&create.roles);
        if let Some(more) = given.iter().find(|right| !ctx.can(**right)) {
            return Err(ServiceError::forbidden(format!(
                "you cannot give a right that you do not have: {more:?}"
            )));
        }
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
        let decides = permissions_of(&create.roles).contains(&Permission::Admin);
        if decides && ctx.actor.delegation.is_some() && has_administrator(&tx).await? {
            return Err(ServiceError::forbidden(
                "the customer has an administrator, who makes others",
            ));
        }
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

impl Auth {
    /// Changes the own password and ends all sessions of the user: sign in again with the new one. The first
    /// administrator's file in the key folder goes too.
    pub async fn password_change(
        &self,
        principal: &Principal,
        old: String,
        new: String,
    ) -> ServiceResult<()> {
        if principal.kind != ActorKind::User {
            return Err(ServiceError::forbidden("only people have a password"));
        }
        if new.chars().count() < password::SHORTEST || new.len() > password::LONGEST {
            return Err(ServiceError::invalid(
                "newPassword",
                "a password has at least 12 characters and at most 1024 bytes",
            ));
        }
        if new == old {
            return Err(ServiceError::invalid(
                "newPassword",
                "the new password is the old one",
            ));
        }
        let wrong = || ServiceError {
            path: vec!["oldPassword".to_owned()],
            ..ServiceError::new(ErrorCode::BadUserInput, "the old password is wrong")
        };
        if old.len() > password::LONGEST {
            return Err(wrong());
        }
        let attempt = self.sign_in_attempt(&principal.email)?;
        let mut ctx = RequestContext::system(principal.home, "password change", self.clock.now());
        ctx.actor.kind = ActorKind::User;
        ctx.actor.id = principal.id;
        ctx.actor.display.clone_from(&principal.name);
        let user = self.user_row(&ctx, principal.id).await?;
        let stored = user
            .filter(|user| user.active)
            .map(|user| user.password_hash);
        if !password::verify(old, stored.clone()).await? {
            return Err(wrong());
        }
        attempt.forgive();
        let hash = password::hash(new).await?;
        let tx = self.db.write(&ctx).await?;
        // The old hash in the condition: of two changes at once the second is wrong.
        let sql = "update identity.users u set password_hash = $4, bootstrap = false from identity.users o where u.tenant_id = $1 and u.id = $2 and u.password_hash = $3 and u.active and o.tenant_id = u.tenant_id and o.id = u.id returning o.bootstrap";
        let was_bootstrap: Option<bool> = tx
            .value(
                sql,
                [
                    principal.home.0.into(),
                    principal.id.into(),
                    stored.into(),
                    hash.into(),
                ],
            )
            .await?;
        let was_bootstrap = was_bootstrap.ok_or_else(wrong)?;
        tx.execute(
            "select identity.sessions_close($1, $2)",
            [principal.home.0.into(), principal.id.into()],
        )
        .await?;
        let user = UserId(principal.id);
        let changed = IdentityEventV1::PasswordChanged { user };
        event::append(&tx, &ctx, &*self.clock, changed).await?;
        tx.commit().await?;
        if was_bootstrap {
            self.keys.remove(bootstrap::FILE).map_err(unreadable)?;
        }
        Ok(())
    }
}

/// Whether an active user of the organization administrates it. Waits for others who make one at the same time.
async fn has_administrator(tx: &TenantTx) -> ServiceResult<bool> {
    let tenant = tx.tenant()?;
    tx.execute(
        "select 1 from identity.organizations where tenant_id = $1 for update",
        [tenant.0.into()],
    )
    .await?;
    let roles: Vec<String> = Role::ALL
        .into_iter()
        .filter(|role| role.permissions().contains(&Permission::Admin))
        .map(|role| role.as_str().to_owned())
        .collect();
    let sql = "select count(*) from identity.grants g join identity.users u on u.tenant_id = g.tenant_id and u.id = g.user_id where g.tenant_id = $1 and g.role = any($2) and g.sites is null and u.active";
    let count: Option<i64> = tx.value(sql, [tenant.0.into(), roles.into()]).await?;
    Ok(count.unwrap_or(0) > 0)
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
