//! The signed head of a log (<https://c2sp.org/tlog-checkpoint>): origin, size, root, as a signed note.

use crate::merkle::Hash;
use crate::note::{NoteError, NoteVerifier, sign_note};
use crate::{PublicKey, Signer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use netpatch_types::{OrganizationId, Sha256};

/// A log's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log; also the name under which its key signs.
    pub origin: String,
    /// Leaves.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

/// Why a checkpoint is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a note, or not signed by the key.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text is not origin, size, root.
    #[error("not a checkpoint: {0}")]
    Malformed(&'static str),
    /// Another log's.
    #[error("the checkpoint is of the log {0:?}")]
    Origin(String),
}

/// The origin of an organization's ledger.
#[must_use]
pub fn ledger_origin(organization: OrganizationId) -> String {
    format!("netpatch/ledger/{organization}")
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            STANDARD.encode(self.root.0)
        )
    }

    /// The signed note.
    pub fn sign(&self, signer: &dyn Signer) -> Result<String, CheckpointError> {
        Ok(sign_note(&self.text(), &self.origin, signer)?)
    }

    /// Reads a note that the key signed for this log. Extension lines are allowed and ignored.
    pub fn open(note: &str, origin: &str, key: PublicKey) -> Result<Self, CheckpointError> {
        let text = NoteVerifier::new(origin, key)?.open(note)?;
        let checkpoint = Self::parse(text)?;
        if checkpoint.origin == origin {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Origin(checkpoint.origin))
        }
    }

    /// Reads the text of a checkpoint; says nothing about who signed it.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text
            .strip_suffix('\n')
            .ok_or(CheckpointError::Malformed("it ends with a newline"))?
            .split('\n');
        let origin = lines
            .next()
            .filter(|line| !line.is_empty())
            .ok_or(CheckpointError::Malformed("the origin is empty"))?;
        let size = lines
            .next()
            .ok_or(CheckpointError::Malformed("the size is missing"))?;
        let value: u64 = size
            .parse()
            .map_err(|_| CheckpointError::Malformed("the size is no number"))?;
        if value.to_string() != size {
            return Err(CheckpointError::Malformed("the size has leading zeros"));
        }
        let root = lines
            .next()
            .ok_or(CheckpointError::Malformed("the root is missing"))?;
        let root = STANDARD
            .decode(root)
            .ok()
            .and_then(|bytes| Sha256::from_slice(&bytes))
            .ok_or(CheckpointError::Malformed("the root is 32 bytes in base64"))?;
        if lines.any(str::is_empty) {
            return Err(CheckpointError::Malformed("an extension line is empty"));
        }
        Ok(Self {
            origin: origin.to_owned(),
            size: value,
            root,
        })
    }

    /// The text of a signed note without checking who signed it: to learn where a log stands, never to trust it.
    pub fn peek(note: &str) -> Result<Self, CheckpointError> {
        let at = note.rfind("\n\n").ok_or(CheckpointError::Malformed(
            "an empty line stands before the signatures",
        ))?;
        Self::parse(&note[..=at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ed25519Signer;

    #[test]
    fn a_checkpoint_survives_and_belongs_to_its_log() {
        let signer = Ed25519Signer::from_secret(&[1; 32]);
        let checkpoint = Checkpoint {
            origin: "log/a".into(),
            size: 17,
            root: Sha256::of(b"root"),
        };
        let note = checkpoint.sign(&signer).expect("signs");
        assert!(note.starts_with("log/a\n17\n"));
        assert_eq!(
            Checkpoint::open(&note, "log/a", signer.public_key()),
            Ok(checkpoint.clone())
        );
        assert_eq!(Checkpoint::peek(&note), Ok(checkpoint));
        assert!(Checkpoint::open(&note, "log/b", signer.public_key()).is_err());
        assert!(
            Checkpoint::open(
                &note,
                "log/a",
                Ed25519Signer::from_secret(&[2; 32]).public_key()
            )
            .is_err()
        );
    }

    #[test]
    fn damaged_texts_are_refused() {
        let root = STANDARD.encode([0; 32]);
        for text in [
            "",
            "a\n",
            "a\n1\n",
            "\n1\nAAAA\n",
            "a\n01\n{root}\n",
            "a\n-1\n{root}\n",
            "a\n1\nAAAA\n",
            "a\n1\n{root}",
            "a\n1\n{root}\n\nx\n",
        ] {
            assert!(
                Checkpoint::parse(&text.replace("{root}", &root)).is_err(),
                "{text:?}"
            );
        }
        assert!(Checkpoint::parse(&format!("a\n1\n{root}\nextension\n")).is_ok());
    }
}
