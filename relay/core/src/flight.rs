//! One fill per payload: who comes first fetches, who comes meanwhile shares.

use crate::key::KeyId;
use std::collections::HashMap;
use std::sync::Arc;

/// What a requester has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Fetch, and [`Flights::land`] at the end, whatever the end is.
    Leader,
    /// Wait for the leader's bytes.
    Follower,
}

/// The fills that are under way; `T` is what leader and followers share.
#[derive(Debug)]
pub struct Flights<T> {
    by_key: HashMap<KeyId, Arc<T>>,
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self {
            by_key: HashMap::new(),
        }
    }
}

impl<T> Flights<T> {
    /// Joins the fill of a payload, or begins it.
    pub fn join(&mut self, key: KeyId, begin: impl FnOnce() -> T) -> (Arc<T>, Role) {
        if let Some(flight) = self.by_key.get(&key) {
            return (flight.clone(), Role::Follower);
        }
        let flight = Arc::new(begin());
        self.by_key.insert(key, flight.clone());
        (flight, Role::Leader)
    }

    /// The fill has ended; the next requester begins anew. Does nothing when another fill has taken its place.
    pub fn land(&mut self, key: KeyId, flight: &Arc<T>) {
        if self
            .by_key
            .get(&key)
            .is_some_and(|held| Arc::ptr_eq(held, flight))
        {
            self.by_key.remove(&key);
        }
    }

    /// The fill that is under way.
    #[must_use]
    pub fn get(&self, key: KeyId) -> Option<&Arc<T>> {
        self.by_key.get(&key)
    }

    /// Nobody joins the present fill any more: what it brought is not to be trusted, or too old.
    pub fn abandon(&mut self, key: KeyId) {
        self.by_key.remove(&key);
    }

    /// How many are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether none is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_types::Sha256;

    #[test]
    fn the_first_leads_until_it_lands() {
        let key = KeyId(Sha256([1; 32]));
        let mut flights = Flights::default();
        let (first, role) = flights.join(key, || 1);
        assert_eq!(role, Role::Leader);
        let (second, role) = flights.join(key, || 2);
        assert_eq!((*second, role), (1, Role::Follower));
        flights.land(key, &first);
        let (third, role) = flights.join(key, || 3);
        assert_eq!((*third, role), (3, Role::Leader));
        flights.land(key, &first);
        assert_eq!(flights.len(), 1);
    }
}
