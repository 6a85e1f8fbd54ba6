//! How much an organization depends on a machine. A closed set: risk and deadlines count with it.

use serde::{Deserialize, Serialize};

/// How bad it is when the machine fails or is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criticality {
    /// Nobody would notice soon.
    Low,
    /// Some people could not work; also what counts when nobody has said.
    Medium,
    /// A department would stand still.
    High,
    /// The organization would stand still, or people would be in danger.
    Critical,
}

impl Criticality {
    /// Every word, most critical first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// The key of the label of a host that says it.
    pub const LABEL: &'static str = "criticality";

    /// The word of labels, files and database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads the word of [`Self::as_str`], in any case; anything else is nobody's word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|one| one.as_str().eq_ignore_ascii_case(word))
    }
}

#[cfg(test)]
mod tests {
    use super::Criticality;

    #[test]
    fn words_are_read_back_in_any_case_and_nothing_else_is() {
        for one in Criticality::ALL {
            assert_eq!(Criticality::from_word(one.as_str()), Some(one));
        }
        assert_eq!(Criticality::from_word("HIGH"), Some(Criticality::High));
        assert_eq!(Criticality::from_word("urgent"), None);
        assert!(Criticality::Critical > Criticality::Low);
    }
}
