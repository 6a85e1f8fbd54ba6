//! Components that this process has met, by what they are and by number. Numbers never change, so an entry is right for ever and
//! a lost one is looked up again.

use crate::domain::manifest::natural_key;
use netpatch_types::ComponentKey;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Most components that are remembered; then all are forgotten.
const MOST: usize = 1_000_000;

/// A component with its number.
#[derive(Debug)]
pub(crate) struct Known {
    /// Its number in the catalog.
    pub(crate) number: u32,
    /// What it is.
    pub(crate) key: Arc<ComponentKey>,
    /// Its line in what a manifest's name is the hash of.
    pub(crate) line: Box<str>,
}

impl Known {
    fn new(number: u32, key: Arc<ComponentKey>) -> Arc<Self> {
        let line = format!("{}\n", natural_key(&key)).into();
        Arc::new(Self { number, key, line })
    }

    /// One that has no number yet, to see what it makes of a manifest.
    pub(crate) fn unnumbered(key: &ComponentKey) -> Arc<Self> {
        Self::new(u32::MAX, Arc::new(key.clone()))
    }
}

#[derive(Debug, Default)]
struct Maps {
    by_key: HashMap<Arc<ComponentKey>, Arc<Known>>,
    by_number: HashMap<u32, Arc<Known>>,
}

/// What is remembered.
#[derive(Debug, Default)]
pub(crate) struct Dictionary(RwLock<Maps>);

impl Dictionary {
    /// These components, `None` where one has not been met.
    pub(crate) fn by_key(&self, keys: &[ComponentKey]) -> Vec<Option<Arc<Known>>> {
        let maps = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter()
            .map(|key| maps.by_key.get(key).cloned())
            .collect()
    }

    /// As [`Self::by_key`], by number.
    pub(crate) fn by_number(&self, numbers: &[u32]) -> Vec<Option<Arc<Known>>> {
        let maps = self.0.read().unwrap_or_else(PoisonError::into_inner);
        numbers
            .iter()
            .map(|number| maps.by_number.get(number).cloned())
            .collect()
    }

    /// Remembers components; as they are remembered.
    pub(crate) fn learn(
        &self,
        components: impl IntoIterator<Item = (u32, ComponentKey)>,
    ) -> Vec<Arc<Known>> {
        let mut maps = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if maps.by_number.len() > MOST {
            *maps = Maps::default();
        }
        let mut learn = |(number, key): (u32, ComponentKey)| {
            if let Some(known) = maps.by_number.get(&number) {
                return Arc::clone(known);
            }
            let known = Known::new(number, Arc::new(key));
            maps.by_key
                .insert(Arc::clone(&known.key), Arc::clone(&known));
            maps.by_number.insert(number, Arc::clone(&known));
            known
        };
        components.into_iter().map(&mut learn).collect()
    }
}
