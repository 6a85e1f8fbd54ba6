//! Who acted.

use super::ActorKind;
use async_graphql::SimpleObject;

/// Who acted.
#[derive(Clone, SimpleObject)]
pub struct Actor {
    /// What kind of principal.
    pub kind: ActorKind,
    /// What a person reads.
    pub name: String,
}

impl From<&netpatch_types::Actor> for Actor {
    fn from(actor: &netpatch_types::Actor) -> Self {
        Self {
            kind: actor.kind.into(),
            name: actor.display.clone(),
        }
    }
}
