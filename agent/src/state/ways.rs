//! What the agent knows of its ways to the platform, kept over restarts: the relays that it was told of, the one that carried its last
//! session, and whether its site lets it go past them.
//!
//! Invariants: where its site forbids the direct way, an agent that has once got through by a relay never goes directly again, whatever is
//! lost, until the platform says otherwise in a membership document. One that never has goes on asking the platform directly, so that a
//! mistake in the site's settings cannot lock it out; the platform then tells it of its relays and of nothing else.

use super::StateFolder;
use crate::discovery::CANDIDATES;
use netpatch_protocol::document::Membership;
use serde::{Deserialize, Serialize};

const FILE: &str = "ways.json";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Held {
    told: Vec<String>,
    others: Vec<String>,
    used: Option<String>,
    direct_forbidden: bool,
}

/// The ways that are known.
#[derive(Debug)]
pub struct Ways {
    state: StateFolder,
    named: Option<String>,
    held: Held,
}

impl Ways {
    /// As they were kept. A document that is held outweighs what was written down of it; where it does not verify any more, after a
    /// change of keys, that still holds.
    #[must_use]
    pub fn load(
        state: &StateFolder,
        named: Option<&String>,
        membership: Option<&Membership>,
    ) -> Self {
        let bytes = state.read(FILE).ok().flatten().unwrap_or_default();
        let held = serde_json::from_slice(&bytes).unwrap_or_default();
        let mut ways = Self {
            state: state.clone(),
            named: named.cloned(),
            held,
        };
        if let Some(membership) = membership {
            ways.take_membership(membership);
        }
        ways
    }

    /// Forgets everything: the host belongs to somebody else now.
    pub fn forget(state: &StateFolder) -> std::io::Result<()> {
        state.write(FILE, b"{}")
    }

    /// The relay that was named at enrolment.
    #[must_use]
    pub fn named(&self) -> Option<&str> {
        self.named.as_deref()
    }

    /// Relays that the platform told of.
    #[must_use]
    pub fn told(&self) -> &[String] {
        &self.held.told
    }

    /// Relays of other sites that the platform told of: for a host that gets through no other way.
    #[must_use]
    pub fn others(&self) -> &[String] {
        &self.held.others
    }

    /// The relay to try before anybody was asked.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.named().or(self.held.used.as_deref())
    }

    /// Whether the site forbids the direct way.
    #[must_use]
    pub fn is_direct_forbidden(&self) -> bool {
        self.held.direct_forbidden
    }

    /// Whether a session may go past all relays.
    #[must_use]
    pub fn may_go_directly(&self) -> bool {
        let has_come_by_a_relay = self.named.is_some() || self.held.used.is_some();
        !(self.held.direct_forbidden && has_come_by_a_relay)
    }

    /// The platform told of relays; whether that is new.
    pub fn take_told(&mut self, relays: &[String]) -> bool {
        let told = &relays[..relays.len().min(CANDIDATES)];
        self.change(|held| held.told = told.to_vec())
    }

    /// The same of relays of other sites.
    pub fn take_others(&mut self, relays: &[String]) {
        let others = &relays[..relays.len().min(CANDIDATES)];
        self.change(|held| held.others = others.to_vec());
    }

    /// A session is up through this relay.
    pub fn take_used(&mut self, relay: &str) {
        self.change(|held| held.used = Some(relay.to_owned()));
    }

    /// The platform's signed word.
    pub fn take_membership(&mut self, membership: &Membership) {
        self.change(|held| held.direct_forbidden = membership.direct_forbidden);
    }

    fn change(&mut self, change: impl FnOnce(&mut Held)) -> bool {
        let before = self.held.clone();
        change(&mut self.held);
        if self.held == before {
            return false;
        }
        let kept = serde_json::to_vec(&self.held)
            .map_err(std::io::Error::other)
            .and_then(|json| self.state.write(FILE, &json));
        if let Err(error) = kept {
            tracing::error!(%error, "cannot keep what is known of ways to the platform");
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn membership(direct_forbidden: bool) -> Membership {
        Membership {
            direct_forbidden,
            ..Membership::default()
        }
    }

    #[test]
    fn only_who_has_come_by_a_relay_is_bound_to_relays() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = StateFolder::open(folder.path()).expect("opens");
        let mut ways = Ways::load(&state, None, None);
        assert!(ways.may_go_directly(), "nobody said otherwise");
        ways.take_membership(&membership(true));
        assert!(ways.may_go_directly(), "how else would it hear of a relay");
        assert!(ways.take_told(&["relay.test:8443".into()]));
        assert!(!ways.take_told(&["relay.test:8443".into()]), "not new");
        assert!(
            ways.may_go_directly(),
            "what it was told of may never answer"
        );
        ways.take_used("relay.test:8443");
        assert!(!ways.may_go_directly());

        // Over a restart, whether the document still verifies or not, and until another one comes.
        for held in [None, Some(&membership(true))] {
            let again = Ways::load(&state, None, held);
            assert!(!again.may_go_directly() && again.is_direct_forbidden());
            assert_eq!(again.first(), Some("relay.test:8443"));
        }
        let free = Ways::load(&state, None, Some(&membership(false)));
        assert!(free.may_go_directly());
    }

    #[test]
    fn a_relay_named_at_enrolment_has_carried_the_enrolment() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = StateFolder::open(folder.path()).expect("opens");
        let named = "relay.test:8443".to_owned();
        let ways = Ways::load(&state, Some(&named), Some(&membership(true)));
        assert!(!ways.may_go_directly());
    }

    #[test]
    fn a_damaged_file_and_a_flood_do_no_harm() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = StateFolder::open(folder.path()).expect("opens");
        for bytes in [
            &b""[..],
            b"{",
            b"[]",
            b"{\"told\":7}",
            b"\xff\xfe",
            b"{\"used\":[]}",
        ] {
            state.write(FILE, bytes).expect("written");
            let ways = Ways::load(&state, None, Some(&membership(true)));
            assert!(ways.is_direct_forbidden() && ways.first().is_none());
        }
        let mut ways = Ways::load(&state, None, None);
        ways.take_told(&vec!["a:1".to_owned(); 1000]);
        assert_eq!(ways.told().len(), CANDIDATES);
        Ways::forget(&state).expect("written");
        let ways = Ways::load(&state, None, None);
        assert!(!ways.is_direct_forbidden() && ways.told().is_empty());
    }
}
