//! Components.

use async_graphql::{ID, Object};
use netpatch_inventory_api as inventory;
use netpatch_types::{ComponentId, ComponentKey};

/// One installed piece of software with its version.
#[derive(Clone)]
pub struct Component {
    id: ComponentId,
    key: ComponentKey,
}

impl From<inventory::Component> for Component {
    fn from(component: inventory::Component) -> Self {
        Self {
            id: component.id,
            key: component.key,
        }
    }
}

impl From<ComponentKey> for Component {
    fn from(key: ComponentKey) -> Self {
        Self {
            id: ComponentId::of(key.ecosystem.as_str(), &natural_key(&key)),
            key,
        }
    }
}

/// The catalog's natural key of a component, so that a finding's component has the id that the inventory gives it.
fn natural_key(key: &ComponentKey) -> String {
    [
        key.ecosystem.as_str(),
        &key.distribution,
        &key.release,
        &key.name,
        &key.version,
        &key.arch,
        &key.source,
        &key.source_version,
    ]
    .join("\u{1f}")
}

/// One installed piece of software with its version.
#[Object]
impl Component {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.id.public().into()
    }

    /// Package URL (ECMA-427).
    async fn purl(&self) -> String {
        self.key.purl()
    }

    /// Binary package.
    async fn name(&self) -> &str {
        &self.key.name
    }

    /// Binary version.
    async fn version(&self) -> &str {
        &self.key.version
    }

    /// Package world: the type of its package URL, `windows` besides.
    async fn ecosystem(&self) -> &str {
        self.key.ecosystem.as_str()
    }

    /// Architecture; empty for a package of a registry.
    async fn arch(&self) -> &str {
        self.key.plain_arch()
    }

    /// The container image on the host that it is inside of, `sha256:…`; null when it is installed on the host itself.
    async fn image(&self) -> Option<&str> {
        self.key.image()
    }

    /// Source package.
    async fn source(&self) -> &str {
        &self.key.source
    }

    /// Source version.
    async fn source_version(&self) -> &str {
        &self.key.source_version
    }
}
