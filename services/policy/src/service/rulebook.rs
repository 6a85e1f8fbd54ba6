//! What an organization says about its hosts, and what a patch is to them: the input of every decision.

use super::PolicyService;
use crate::domain::content;
use crate::domain::decide::{Cover, Facts, Outcome, decide};
use crate::domain::step::Offer;
use crate::store;
use netpatch_inventory_api::{GroupList, Patch, PatchContent, PatchContentGet};
use netpatch_policy_api::*;
use netpatch_types::{ErrorCode, GroupId, PatchId, PolicyId, ServiceResult, TenantId};
use std::collections::BTreeMap;

/// What an organization says, read once for many patches.
pub(crate) struct Rulebook {
    pub(crate) policies: Vec<Policy>,
    pub(crate) blocked: Vec<BlockEntry>,
    names: BTreeMap<GroupId, String>,
}

impl Rulebook {
    /// Who has a say about a group: its own policies decide, those for all hosts may block.
    pub(crate) fn cover(&self, group: Option<GroupId>) -> Cover<'_> {
        let of = |wanted: Option<GroupId>| {
            self.policies
                .iter()
                .filter(move |policy| policy.spec.group == wanted)
                .collect()
        };
        Cover {
            deciding: of(group),
            blocking: if group.is_some() {
                of(None)
            } else {
                Vec::new()
            },
        }
    }

    /// Who has a say about a host that is in these groups.
    pub(super) fn cover_host(&self, groups: &[GroupId]) -> Cover<'_> {
        let covers = |policy: &&Policy| {
            policy
                .spec
                .group
                .is_none_or(|group| groups.contains(&group))
        };
        Cover {
            deciding: self.policies.iter().filter(covers).collect(),
            blocking: Vec::new(),
        }
    }

    pub(super) fn title(&self, patch: &Patch, group: Option<GroupId>) -> String {
        let whom = match group {
            None => "all hosts".to_owned(),
            Some(group) => format!(
                "group {}",
                self.names.get(&group).map_or("?", String::as_str)
            ),
        };
        format!("{} {} for {whom}", patch.name, patch.fixed_version)
    }
}
impl PolicyService {
    /// Policies, block list and names of groups.
    pub(crate) async fn rulebook(&self, tenant: TenantId) -> ServiceResult<Rulebook> {
        let ctx = self.system(tenant);
        let tx = self.database.read(&ctx).await?;
        let policies = store::policy::all_of(&tx, tenant).await?;
        let blocked = store::block::list(&tx, tenant).await?;
        tx.rollback().await?;
        let groups = self.inventory.group_list(&ctx, GroupList {}).await?;
        Ok(Rulebook {
            policies,
            blocked,
            names: groups
                .into_iter()
                .map(|group| (group.id, group.name))
                .collect(),
        })
    }

    /// What a patch brings to a group; nothing if the group or the patch is gone.
    pub(super) async fn content(
        &self,
        tenant: TenantId,
        patch: PatchId,
        group: Option<GroupId>,
    ) -> ServiceResult<Option<PatchContent>> {
        match self
            .inventory
            .patch_content(&self.system(tenant), PatchContentGet { patch, group })
            .await
        {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.code == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What the policies say, with the names of the binaries if they are known.
pub(super) fn decided(
    cover: &Cover<'_>,
    blocked: &[BlockEntry],
    patch: &Patch,
    content: Option<&PatchContent>,
    now: chrono::DateTime<chrono::Utc>,
) -> Outcome {
    let names = |dependency: bool| -> Vec<String> {
        let items = content.iter().flat_map(|content| &content.items);
        items
            .filter(|item| item.dependency == dependency && !item.remove)
            .map(|item| item.name.clone())
            .collect()
    };
    decide(
        cover,
        blocked,
        Facts {
            patch,
            binaries: &names(false),
            dependencies: &names(true),
        },
        now,
    )
}

/// A person banned the patch, in whatever group: it is blocked in all.
pub(super) fn banned(patch: &Patch) -> Outcome {
    let sentence = format!(
        "{} {} is never installed: a person banned it",
        patch.name, patch.fixed_version
    );
    Outcome {
        decision: Decision::Block,
        policy: None,
        rule: None,
        again_at: None,
        sentence,
    }
}

/// What hosts offer, and what stands in the way.
pub(super) fn offer<'a>(patch: &Patch, content: &'a PatchContent) -> Offer<'a> {
    let superseded = patch
        .superseded_by
        .map(|_| "a newer patch takes its place".to_owned());
    let disagreement = content
        .disagreement
        .as_ref()
        .map(|what| format!("hosts disagree about its content: {what}"));
    Offer {
        items: &content.items,
        digest: content::digest(content),
        obstacle: disagreement.or(superseded),
    }
}

/// The policy that asks people about a group, for requests by people.
pub(super) fn asking_policy(rules: &Rulebook, group: Option<GroupId>) -> Option<PolicyId> {
    let cover = rules.cover(group);
    cover
        .deciding
        .iter()
        .find(|policy| policy.spec.enabled)
        .map(|policy| policy.id)
}
