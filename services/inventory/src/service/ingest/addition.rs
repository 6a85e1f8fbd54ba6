//! Components that the catalog does not have yet, added for many reports in one transaction.

use crate::service::Inventory;
use crate::service::dictionary::Known;
use crate::service::together::Together;
use crate::store;
use netpatch_types::{ComponentKey, ServiceError, ServiceResult};
use std::collections::HashMap;
use std::sync::Arc;

/// Components of one transaction, but for those of the last report, which is not cut.
const AT_ONCE: usize = 20_000;

/// Reports that wait for what they have that is new.
pub(crate) type Additions = Together<Vec<ComponentKey>, Vec<Arc<Known>>>;

fn fits(_: &Vec<ComponentKey>, batch: &[Vec<ComponentKey>]) -> bool {
    batch.iter().map(Vec::len).sum::<usize>() < AT_ONCE
}

impl Inventory {
    /// What these components are known as; those that the catalog does not have are added.
    pub(super) async fn add(&self, keys: Vec<ComponentKey>) -> ServiceResult<Vec<Arc<Known>>> {
        let additions = &self.ingest.additions;
        additions
            .join(keys, fits, |wanted| self.add_all(wanted))
            .await
    }

    async fn add_all(&self, wanted: Vec<Vec<ComponentKey>>) -> Vec<ServiceResult<Vec<Arc<Known>>>> {
        let mut places: HashMap<&ComponentKey, usize> = HashMap::new();
        let mut keys = Vec::new();
        for key in wanted.iter().flatten() {
            places.entry(key).or_insert_with(|| {
                keys.push(key.clone());
                keys.len() - 1
            });
        }
        match store::component::numbers(&self.db, &keys).await {
            Ok(numbers) => {
                let known = self.dictionary.learn(numbers.into_iter().zip(keys));
                let of_key = |key| {
                    let at = places.get(key).and_then(|at| known.get(*at));
                    at.map(Arc::clone).ok_or_else(ServiceError::internal)
                };
                wanted
                    .iter()
                    .map(|keys| keys.iter().map(of_key).collect())
                    .collect()
            }
            Err(error) => {
                let reports = wanted.len();
                tracing::warn!(%error, reports, "components could not be added to the catalog");
                let refused = super::refused(&error);
                wanted.iter().map(|_| Err(refused.clone())).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_types::Ecosystem;

    #[test]
    fn whole_reports_go_together_up_to_the_limit() {
        let key = ComponentKey::of_registry(Ecosystem::Pypi, "requests", "2.31.0");
        let reports = |sizes: &[usize]| -> Vec<Vec<ComponentKey>> {
            sizes.iter().map(|size| vec![key.clone(); *size]).collect()
        };
        assert!(fits(&vec![key.clone(); 5], &reports(&[AT_ONCE - 2, 1])));
        assert!(!fits(&vec![key.clone()], &reports(&[AT_ONCE - 1, 1])));
    }
}
