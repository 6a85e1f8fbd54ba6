//! Which KBs a KB supersedes, transitively: an installed newer one closes all older ones.

use std::collections::{BTreeSet, HashMap, HashSet};

/// The number of a KB, with or without its letters: `KB5078766`.
#[must_use]
pub fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = text
        .strip_prefix("KB")
        .or_else(|| text.strip_prefix("kb"))
        .unwrap_or(text);
    let is_number = (5..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// Which KBs supersede which. Cycles, of which the real data has some, do no harm.
#[derive(Clone, Debug, Default)]
pub struct Supersedence {
    direct: HashMap<u32, HashSet<u32>>,
}

impl FromIterator<(u32, u32)> for Supersedence {
    fn from_iter<I: IntoIterator<Item = (u32, u32)>>(pairs: I) -> Self {
        let mut all = Self::default();
        for (kb, old) in pairs {
            all.direct.entry(kb).or_default().insert(old);
        }
        all
    }
}

impl Supersedence {
    /// These KBs and all that they supersede.
    #[must_use]
    pub fn closed_by(&self, kbs: impl IntoIterator<Item = u32>) -> HashSet<u32> {
        let mut closed = HashSet::new();
        let mut waiting: Vec<u32> = kbs.into_iter().collect();
        while let Some(kb) = waiting.pop() {
            if closed.insert(kb) {
                waiting.extend(self.direct.get(&kb).into_iter().flatten());
            }
        }
        closed
    }

    /// The KBs to install of those that apply to a product: not installed, not superseded by what is, nor by another of them.
    #[must_use]
    pub fn missing(
        &self,
        applicable: impl IntoIterator<Item = u32>,
        installed: impl IntoIterator<Item = u32>,
    ) -> BTreeSet<u32> {
        let closed = self.closed_by(installed);
        let open: BTreeSet<u32> = applicable
            .into_iter()
            .filter(|kb| !closed.contains(kb))
            .collect();
        let is_old = |kb: &u32| {
            let others = open.iter().copied().filter(|other| other != kb);
            let newer = others.filter(|other| self.closed_by([*other]).contains(kb));
            // Of two that supersede each other the one with the higher number stays.
            newer
                .into_iter()
                .any(|other| !self.closed_by([*kb]).contains(&other) || other > *kb)
        };
        open.iter().copied().filter(|kb| !is_old(kb)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_closes_all_and_a_cycle_ends() {
        let all: Supersedence = [(3, 2), (2, 1), (1, 3), (5, 3)].into_iter().collect();
        assert_eq!(all.closed_by([5]), HashSet::from([1, 2, 3, 5]));
        assert_eq!(all.missing([1, 2, 3, 5, 7], []), BTreeSet::from([5, 7]));
        assert_eq!(all.missing([1, 2, 3], []), BTreeSet::from([3]));
        assert!(all.missing([1, 2, 3], [5]).is_empty());
        let long: Supersedence = (0..200_000).map(|n| (n + 1, n)).collect();
        assert_eq!(long.closed_by([200_000]).len(), 200_001);
    }

    #[test]
    fn a_kb_is_a_number_with_or_without_its_letters() {
        assert_eq!(number("KB5078766"), Some(5_078_766));
        assert_eq!(number(" 5078766 "), Some(5_078_766));
        for odd in ["", "KB", "Release Notes", "12", "KB99999999999", "-5078766"] {
            assert_eq!(number(odd), None, "{odd}");
        }
    }
}
