//! Sessions of people: an opaque random token, stored as a hash, for the portal's cookie and the CLI's bearer alike.

use crate::attempts::Attempt;
use crate::{Auth, IdentityEventV1, Principal, event, password, secret};
use chrono::{DateTime, Utc};
use netpatch_types::{
    ErrorCode, OrganizationId, RequestContext, ServiceError, ServiceResult, UserId,
};
use sea_orm::FromQueryResult;
use uuid::Uuid;

/// How the token travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// In the portal's cookie; requests need the extra header.
    Cookie,
    /// In `Authorization: Bearer`.
    Bearer,
}

impl SessionKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Bearer => "bearer",
        }
    }
}

/// A new session.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken {
    /// `nps_…`; shown once.
    pub token: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// Prefix of a session token.
pub(crate) const PREFIX: &str = "nps_";

#[derive(FromQueryResult)]
struct DirectoryRow {
    tenant_id: Uuid,
    user_id: Uuid,
}

#[derive(FromQueryResult)]
pub(crate) struct UserRow {
    pub(crate) name: String,
    pub(crate) password_hash: String,
    pub(crate) active: bool,
}

#[derive(FromQueryResult)]
struct SessionRow {
    tenant_id: Uuid,
    user_id: Uuid,
    kind: String,
    expires_at: DateTime<Utc>,
}

impl Auth {
    /// Signs a person in. An unknown address, a wrong password and an inactive user look the same and take the same time.
    /// After ten failures within a minute an address is throttled, whether anybody has it or not.
    pub async fn sign_in(
        &self,
        email: &str,
        password: String,
        kind: SessionKind,
    ) -> ServiceResult<SessionToken> {
        let refused = || {
            ServiceError::new(
                ErrorCode::Unauthenticated,
                "e-mail address or password is wrong",
            )
        };
        let email = crate::user::email(email).map_err(|_| refused())?;
        if password.len() > password::LONGEST {
            return Err(refused());
        }
        let attempt = self.sign_in_attempt(&email)?;
        let tx = self.db.directory_tx().await?;
        let entry: Option<DirectoryRow> = tx
            .one(
                "select * from identity.user_by_email($1)",
                [secret::hash(&email).into()],
            )
            .await?;
        drop(tx);
        // Nobody is looked up too, in an organization that does not exist.
        let entry = entry.unwrap_or(DirectoryRow {
            tenant_id: Uuid::nil(),
            user_id: Uuid::nil(),
        });
        let tenant = OrganizationId(entry.tenant_id);
        let ctx = RequestContext::system(tenant, "sign-in", self.clock.now());
        let user = self.user_row(&ctx, entry.user_id).await?;
        let stored = user
            .as_ref()
            .filter(|user| user.active)
            .map(|user| user.password_hash.clone());
        if !password::verify(password, stored).await? {
            return Err(refused());
        }
        attempt.forgive();
        let now = self.clock.now();
        let session = SessionToken {
            token: secret::random(PREFIX),
            expires_at: now + self.settings.session,
        };
        let mut ctx = ctx;
        ctx.actor.kind = netpatch_types::ActorKind::User;
        ctx.actor.id = entry.user_id;
        ctx.actor.display = user.map(|user| user.name).unwrap_or_default();
        let tx = self.db.write(&ctx).await?;
        tx.execute(
            "select identity.session_open($1, $2, $3, $4, $5, $6)",
            [
                secret::hash(&session.token).into(),
                entry.tenant_id.into(),
                entry.user_id.into(),
                kind.as_str().into(),
                now.into(),
                session.expires_at.into(),
            ],
        )
        .await?;
        event::append(
            &tx,
            &ctx,
            &*self.clock,
            IdentityEventV1::SignedIn {
                user: UserId(entry.user_id),
            },
        )
        .await?;
        tx.commit().await?;
        Ok(session)
    }

    /// A try at the password of an address; a failure unless it is forgiven.
    pub(crate) fn sign_in_attempt(&self, email: &str) -> ServiceResult<Attempt<Vec<u8>>> {
        self.failed_sign_ins
            .begin(&secret::hash(email), self.clock.now())
            .ok_or_else(|| {
                ServiceError::new(
                    ErrorCode::Throttled,
                    "too many failed sign-ins for this address; wait a minute",
                )
            })
    }

    /// Ends a session; ending an unknown one is no error.
    pub async fn sign_out(&self, token: &str) -> ServiceResult<()> {
        let tx = self.db.directory_write_tx().await?;
        tx.execute(
            "select identity.session_close($1)",
            [secret::hash(token).into()],
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Who holds a session token that travelled this way.
    pub async fn session_principal(
        &self,
        token: &str,
        kind: SessionKind,
    ) -> ServiceResult<Principal> {
        let ended = || {
            ServiceError::new(
                ErrorCode::Unauthenticated,
                "the session has ended; sign in again",
            )
        };
        let tx = self.db.directory_tx().await?;
        let row: Option<SessionRow> = tx
            .one(
                "select * from identity.session_by_hash($1)",
                [secret::hash(token).into()],
            )
            .await?;
        drop(tx);
        let row = row
            .filter(|row| row.kind == kind.as_str() && row.expires_at > self.clock.now())
            .ok_or_else(ended)?;
        self.user_principal(OrganizationId(row.tenant_id), UserId(row.user_id))
            .await?
            .ok_or_else(ended)
    }

    pub(crate) async fn user_row(
        &self,
        ctx: &RequestContext,
        id: Uuid,
    ) -> ServiceResult<Option<UserRow>> {
        let tx = self.db.read(ctx).await?;
        let sql = "select name, password_hash, active from identity.users where tenant_id = $1 and id = $2";
        Ok(tx.one(sql, [ctx.tenant()?.0.into(), id.into()]).await?)
    }
}
