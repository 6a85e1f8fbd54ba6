//! Places for what is sent to relays: so many at once for all, and fewer for one organization, so that none leaves the others nothing.

use netpatch_types::OrganizationId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Places, and who has which.
pub(crate) struct Places {
    all: usize,
    of_one: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    /// Of those that have any.
    by: HashMap<OrganizationId, usize>,
}

impl Places {
    pub(super) fn new(all: usize, of_one: usize) -> Self {
        Self {
            all,
            of_one,
            taken: Mutex::default(),
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place until it is dropped, if there is one for the organization now. Nobody waits.
    pub(super) fn take(&self, organization: OrganizationId) -> Option<Place<'_>> {
        let mut taken = self.taken();
        let own = taken.by.get(&organization).copied().unwrap_or(0);
        if taken.all >= self.all || own >= self.of_one {
            return None;
        }
        taken.all += 1;
        taken.by.insert(organization, own + 1);
        Some(Place {
            places: self,
            organization,
        })
    }
}

/// A place that an organization has.
pub(super) struct Place<'a> {
    places: &'a Places,
    organization: OrganizationId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        let left = taken.by.remove(&self.organization).unwrap_or(1) - 1;
        if left > 0 {
            taken.by.insert(self.organization, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn an_organization_leaves_places_for_others_and_all_of_them_are_bounded() {
        let of = |n: u128| OrganizationId(Uuid::from_u128(n));
        let places = Places::new(5, 2);
        let one = [places.take(of(1)), places.take(of(1))];
        assert!(one.iter().all(Option::is_some));
        assert!(places.take(of(1)).is_none(), "it has its share");
        let two = [places.take(of(2)), places.take(of(2))];
        assert!(two.iter().all(Option::is_some));
        let three = places.take(of(3));
        assert!(three.is_some());
        assert!(places.take(of(4)).is_none(), "all are taken");
        drop(one);
        let four = [places.take(of(4)), places.take(of(4))];
        assert!(four.iter().all(Option::is_some));
        drop((two, three, four));
        assert!(places.taken().by.is_empty() && places.taken().all == 0);
        assert!(Places::new(0, 2).take(of(1)).is_none());
        assert!(Places::new(2, 0).take(of(1)).is_none());
    }
}
