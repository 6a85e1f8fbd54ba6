//! API clients: OAuth client credentials (RFC 6749 §4.4) → a ten-minute JWT signed with EdDSA (RFC 8037).

use crate::access::require_admin_person;
use crate::{
    Auth, IdentityEventV1, Principal, bootstrap::unreadable, event, secret, user::plain_name,
};
use base64::Engine as _;
use chrono::{DateTime, Utc};
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use netpatch_types::{
    ApiClientId, ErrorCode, OrganizationId, Permission, RequestContext, ServiceError, ServiceResult,
};
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use subtle::ConstantTimeEq as _;

/// Life of an access token, seconds.
const LIFE_SECONDS: i64 = 600;

/// A program that signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiClient {
    /// Id; the public form is the `client_id`.
    pub id: ApiClientId,
    /// Whose.
    pub organization: OrganizationId,
    /// Name.
    pub name: String,
    /// What it may do; never `Approve`.
    pub permissions: BTreeSet<Permission>,
}

/// A new API client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiClientCreate {
    /// Name.
    pub name: String,
    /// What it may do.
    pub permissions: BTreeSet<Permission>,
}

/// A new API client with its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiClientCreated {
    /// The client.
    pub client: ApiClient,
    /// Shown once.
    pub secret: String,
}

/// An access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The JWT.
    pub token: String,
    /// Seconds.
    pub expires_in: i64,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    iat: i64,
    exp: i64,
}

#[derive(FromQueryResult)]
struct SecretRow {
    secret_hash: Vec<u8>,
    expires_at: DateTime<Utc>,
}

impl Auth {
    /// Creates an API client for at most a year. It may not hold `Approve`: programs never approve.
    pub async fn api_client_create(
        &self,
        ctx: &RequestContext,
        create: ApiClientCreate,
    ) -> ServiceResult<ApiClientCreated> {
        require_admin_person(ctx)?;
        if ctx.actor.delegation.is_some() {
            return Err(ServiceError::forbidden(
                "only the organization's own administrators make API clients: they would outlive the delegation",
            ));
        }
        if create.permissions.contains(&Permission::Approve) {
            return Err(ServiceError::invalid(
                "permissions",
                "an API client never approves; leave APPROVE out",
            ));
        }
        if let Some(more) = create.permissions.iter().find(|right| !ctx.can(**right)) {
            return Err(ServiceError::forbidden(format!(
                "you cannot give a right that you do not have: {more:?}"
            )));
        }
        let now = self.clock.now();
        let organization = ctx.tenant()?;
        let client = ApiClient {
            id: ApiClientId::new(now),
            organization,
            name: plain_name("name", &create.name)?,
            permissions: create.permissions,
        };
        let secret = secret::random("npc_");
        let tx = self.db.write(ctx).await?;
        tx.execute(
            "insert into identity.api_clients (tenant_id, id, name, secret_hash, permissions, expires_at, created_at) values ($1, $2, $3, $4, $5, $6, $7)",
            [
                organization.0.into(),
                client.id.0.into(),
                client.name.clone().into(),
                secret::hash(&secret).into(),
                serde_json::json!(client.permissions).into(),
                (now + chrono::Duration::days(365)).into(),
                now.into(),
            ],
        )
        .await?;
        event::append(
            &tx,
            ctx,
            &*self.clock,
            IdentityEventV1::ApiClientCreated { client: client.id },
        )
        .await?;
        tx.commit().await?;
        Ok(ApiClientCreated { client, secret })
    }

    /// Client credentials → access token.
    pub async fn client_token(
        &self,
        client_id: &str,
        client_secret: &str,
    ) -> ServiceResult<AccessToken> {
        let refused =
            || ServiceError::new(ErrorCode::Unauthenticated, "client id or secret is wrong");
        let (organization, client) = ApiClientId::parse_public(client_id).ok_or_else(refused)?;
        let now = self.clock.now();
        let ctx = RequestContext::system(organization, "client token", now);
        let tx = self.db.write(&ctx).await?;
        let sql = "update identity.api_clients set last_used_at = $3 where tenant_id = $1 and id = $2 returning secret_hash, expires_at";
        let row: Option<SecretRow> = tx
            .one(sql, [organization.0.into(), client.0.into(), now.into()])
            .await?;
        let row = row.ok_or_else(refused)?;
        let same: bool = row.secret_hash.ct_eq(&secret::hash(client_secret)).into();
        if !same || row.expires_at <= now {
            return Err(refused());
        }
        tx.commit().await?;
        let claims = Claims {
            iss: self.settings.issuer.clone(),
            sub: client_id.to_owned(),
            aud: self.settings.issuer.clone(),
            iat: now.timestamp(),
            exp: now.timestamp() + LIFE_SECONDS,
        };
        let key = EncodingKey::from_ed_der(&self.token_key()?.1);
        let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &key).map_err(
            |error| {
                tracing::error!(%error, "signing an access token failed");
                ServiceError::internal()
            },
        )?;
        Ok(AccessToken {
            token,
            expires_in: LIFE_SECONDS,
        })
    }

    /// Who holds an access token.
    pub async fn token_principal(&self, token: &str) -> ServiceResult<Principal> {
        let refused = || {
            ServiceError::new(
                ErrorCode::Unauthenticated,
                "the access token is not valid; fetch a new one",
            )
        };
        let key = self.token_key()?.0;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[&self.settings.issuer]);
        validation.set_issuer(&[&self.settings.issuer]);
        // Time is checked below, against the injected clock.
        validation.validate_exp = false;
        let decoded = jsonwebtoken::decode::<Claims>(
            token,
            &DecodingKey::from_ed_der(key.as_bytes()),
            &validation,
        )
        .map_err(|_| refused())?;
        if decoded.claims.exp <= self.clock.now().timestamp() {
            return Err(refused());
        }
        let (organization, client) =
            ApiClientId::parse_public(&decoded.claims.sub).ok_or_else(refused)?;
        self.client_principal(organization, client).await
    }

    /// The public key of access tokens as a JWK set (RFC 7517, RFC 8037).
    pub fn jwks(&self) -> ServiceResult<serde_json::Value> {
        let x =
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.token_key()?.0.as_bytes());
        Ok(
            serde_json::json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "x": x}]}),
        )
    }

    fn token_key(&self) -> ServiceResult<(ed25519_dalek::VerifyingKey, Vec<u8>)> {
        let secret = self.keys.secret("access-token").map_err(unreadable)?;
        let key = ed25519_dalek::SigningKey::from_bytes(&secret);
        let der = key.to_pkcs8_der().map_err(|_| ServiceError::internal())?;
        Ok((key.verifying_key(), der.as_bytes().to_vec()))
    }
}
