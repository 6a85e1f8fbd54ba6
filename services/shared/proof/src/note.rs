//! Signed notes (<https://c2sp.org/signed-note>): a text and its signatures, readable by people.
//!
//! Written here and not taken from a crate: with one kind of key the format is three rules, and what an auditor
//! has to read in order to trust the verifier should be short.

use crate::{PublicKey, Signer, SigningFailed};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;

/// A longer note is refused, bytes.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;
/// More signature lines than this are refused.
const MAX_SIGNATURES: usize = 16;
/// The specification's signature type of Ed25519.
const ED25519: u8 = 1;

/// Why a note is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not the format, with the rule that it breaks.
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    /// The key is not of the kind that signs notes.
    #[error("only an ed25519 key signs notes")]
    KeyKind,
    /// No signature of the key.
    #[error("the note is not signed by {0}")]
    NotSigned(String),
    /// A signature in the key's name that does not hold.
    #[error("the signature of {0} does not hold")]
    BadSignature(String),
    /// The signer refused.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
}

/// A key with the name under which it signs notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    key: PublicKey,
}

impl NoteVerifier {
    /// An Ed25519 key under a name without spaces and plus signs.
    pub fn new(name: &str, key: PublicKey) -> Result<Self, NoteError> {
        if name.is_empty()
            || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
        {
            return Err(NoteError::Malformed(
                "a key name is not empty and has neither spaces nor plus signs",
            ));
        }
        match key {
            PublicKey::Ed25519(_) => Ok(Self {
                name: name.to_owned(),
                key,
            }),
            PublicKey::P256(_) => Err(NoteError::KeyKind),
        }
    }

    /// The first four bytes of SHA-256(name ‖ newline ‖ type ‖ key).
    fn hash(&self) -> [u8; 4] {
        let mut hasher = sha2::Sha256::new();
        hasher.update(self.name.as_bytes());
        hasher.update([b'\n', ED25519]);
        hasher.update(self.key.as_bytes());
        let digest: [u8; 32] = hasher.finalize().into();
        [digest[0], digest[1], digest[2], digest[3]]
    }

    /// The specification's text form of a verifier key: `<name>+<hash>+<base64>`.
    #[must_use]
    pub fn vkey(&self) -> String {
        let mut key = vec![ED25519];
        key.extend_from_slice(self.key.as_bytes());
        format!(
            "{}+{}+{}",
            self.name,
            hex::encode(self.hash()),
            STANDARD.encode(key)
        )
    }

    /// The text of the note, if this key signed it. Signatures of unknown keys are ignored, as the specification
    /// says; a signature in this key's name that does not hold refuses the note.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        let (text, lines) = split(note)?;
        let mut signed = false;
        for line in lines {
            if line.name != self.name || line.hash != self.hash() {
                continue;
            }
            if !self.key.verify(text.as_bytes(), &line.signature) {
                return Err(NoteError::BadSignature(self.name.clone()));
            }
            signed = true;
        }
        if signed {
            Ok(text)
        } else {
            Err(NoteError::NotSigned(self.name.clone()))
        }
    }
}

/// Signs a text, which must end with a newline, under a name.
pub fn sign_note(text: &str, name: &str, signer: &dyn Signer) -> Result<String, NoteError> {
    let verifier = NoteVerifier::new(name, signer.public_key())?;
    check_text(text)?;
    let mut signature = verifier.hash().to_vec();
    signature.extend_from_slice(&signer.sign(text.as_bytes())?);
    Ok(format!(
        "{text}\n\u{2014} {name} {}\n",
        STANDARD.encode(signature)
    ))
}

struct SignatureLine<'a> {
    name: &'a str,
    hash: [u8; 4],
    signature: Vec<u8>,
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed("the text ends with a newline"));
    }
    if text.contains(|c: char| c.is_control() && c != '\n') {
        return Err(NoteError::Malformed("the text has no control characters"));
    }
    Ok(())
}

fn split(note: &str) -> Result<(&str, Vec<SignatureLine<'_>>), NoteError> {
    if note.len() > MAX_NOTE_BYTES {
        return Err(NoteError::Malformed("it is too long"));
    }
    let at = note.rfind("\n\n").ok_or(NoteError::Malformed(
        "an empty line stands before the signatures",
    ))?;
    let (text, signatures) = (&note[..=at], &note[at + 2..]);
    check_text(text)?;
    let signatures = signatures
        .strip_suffix('\n')
        .ok_or(NoteError::Malformed("the last line ends with a newline"))?;
    let mut lines = Vec::new();
    for line in signatures.split('\n') {
        lines.push(
            signature_line(line)
                .ok_or(NoteError::Malformed("a signature line is `— name base64`"))?,
        );
        if lines.len() > MAX_SIGNATURES {
            return Err(NoteError::Malformed("it has too many signatures"));
        }
    }
    Ok((text, lines))
}

fn signature_line(line: &str) -> Option<SignatureLine<'_>> {
    let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    if name.is_empty() || name.contains('+') {
        return None;
    }
    let bytes = STANDARD.decode(encoded).ok()?;
    let (hash, signature) = bytes.split_at_checked(4)?;
    Some(SignatureLine {
        name,
        hash: hash.try_into().ok()?,
        signature: signature.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ed25519Signer;

    /// The example in the documentation of golang.org/x/mod/sumdb/note, from which the specification comes.
    #[test]
    fn a_note_of_another_program_opens() {
        let note = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n\
                    \n\
                    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let key = STANDARD
            .decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
            .expect("base64");
        let verifier = NoteVerifier::new(
            "PeterNeumann",
            PublicKey::ed25519(&key[1..]).expect("a key"),
        )
        .expect("a name");
        assert_eq!(
            verifier.vkey(),
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        );
        assert!(
            verifier
                .open(note)
                .expect("opens")
                .starts_with("If you think")
        );
    }

    #[test]
    fn what_is_signed_opens_and_what_is_changed_does_not() {
        let signer = Ed25519Signer::from_secret(&[9; 32]);
        let verifier = NoteVerifier::new("a/b", signer.public_key()).expect("a name");
        let note = sign_note("one\n\ntwo\n", "a/b", &signer).expect("signs");
        assert_eq!(verifier.open(&note), Ok("one\n\ntwo\n"));
        for position in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[position] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(verifier.open(&changed).is_err(), "byte {position}");
            }
        }
        let stranger = Ed25519Signer::from_secret(&[8; 32]);
        let other = sign_note("one\n", "a/b", &stranger).expect("signs");
        assert_eq!(
            verifier.open(&other),
            Err(NoteError::NotSigned("a/b".into()))
        );
    }

    #[test]
    fn names_and_texts_are_checked() {
        let signer = Ed25519Signer::from_secret(&[9; 32]);
        assert!(sign_note("one", "a", &signer).is_err());
        assert!(sign_note("o\tne\n", "a", &signer).is_err());
        assert!(sign_note("one\n", "a b", &signer).is_err());
        assert!(sign_note("one\n", "a+b", &signer).is_err());
    }
}
