//! Documents signed by the organization's approval key.

use super::{PolicyService, system_only};
use netpatch_policy_api::{Approval, ApprovalKey, Subject};
use netpatch_proof::{Ed25519Signer, Signer as _};
use netpatch_protocol::{Document, document, seal};
use netpatch_types::{RequestContext, ServiceError, ServiceResult, Sha256, TenantId};
use prost::Message as _;

impl PolicyService {
    pub(super) fn get_approval_key(&self, ctx: &RequestContext) -> ServiceResult<ApprovalKey> {
        system_only(ctx)?;
        let signer = self.signer(ctx.tenant()?)?;
        Ok(ApprovalKey {
            public_key: signer.public_key().as_bytes().to_vec(),
        })
    }

    fn signer(&self, tenant: TenantId) -> ServiceResult<Ed25519Signer> {
        // A few bytes of a file; a key service would be asked here.
        let secret = self
            .keys
            .secret(&format!("{tenant}/approval"))
            .map_err(|error| {
                tracing::error!(%error, %tenant, "the approval key cannot be read");
                ServiceError::internal()
            })?;
        Ok(Ed25519Signer::from_secret(&secret))
    }

    /// The encoded envelope over a document.
    pub(super) fn sign<D: Document>(
        &self,
        tenant: TenantId,
        document: &D,
    ) -> ServiceResult<Vec<u8>> {
        let signer = self.signer(tenant)?;
        let envelope = seal(document, &[&signer]).map_err(|error| {
            tracing::error!(%error, %tenant, "signing failed");
            ServiceError::internal()
        })?;
        Ok(envelope.encode_to_vec())
    }

    /// The signed form of an approved patch; nothing for a deployment, whose order carries what was approved.
    pub(super) fn sign_approval(&self, approval: &Approval) -> ServiceResult<Option<Vec<u8>>> {
        let (Subject::Patch { patch, group }, Some(digest)) =
            (approval.subject, approval.content_digest)
        else {
            return Ok(None);
        };
        let document = document::Approval {
            approval_id: approval.id.to_string(),
            organization_id: approval.tenant.to_string(),
            content_digest: digest.0.to_vec(),
            patch_id: patch.public(),
            group_id: group.map(|group| group.to_string()).unwrap_or_default(),
            ring: String::new(),
            decision: "approve".to_owned(),
            decided_by: decided_by(approval),
            decided_at_ms: self.clock.now().timestamp_millis(),
            expires_at_ms: approval
                .expires_at
                .map(|end| end.timestamp_millis())
                .unwrap_or_default(),
        };
        self.sign(approval.tenant, &document).map(Some)
    }
}

/// `rule:<policy id>/<rule>`, or a hash of the people salted with the approval's id.
fn decided_by(approval: &Approval) -> String {
    if approval.automatic {
        let policy = approval
            .policy
            .map(|policy| policy.to_string())
            .unwrap_or_default();
        return format!(
            "rule:{policy}/{}",
            approval.rule.as_deref().unwrap_or_default()
        );
    }
    let mut people: Vec<String> = approval
        .decisions
        .iter()
        .map(|record| record.by.id.to_string())
        .collect();
    people.sort_unstable();
    people.dedup();
    format!(
        "people:{}",
        Sha256::of(format!("{}\0{}", approval.id, people.join("\0")).as_bytes())
    )
}
