//! What comes back is what the vendor built.

use crate::world::{content, deb, debs, pair, rpms};
use netpatch_delta::{DeltaError, Limits, make, rebuild};

fn small(old: &[u8], new: &[u8], share: f64) {
    let recipe = make(old, new, &Limits::default()).expect("a recipe");
    assert!(
        (recipe.len() as f64) < new.len() as f64 * share,
        "{} of {} bytes",
        recipe.len(),
        new.len()
    );
    // The number of threads belongs to the machine, not to the bytes.
    let alone = Limits {
        threads: 1,
        ..Limits::default()
    };
    let rebuilt = rebuild(old, &recipe, &pair(old, new), &alone).expect("rebuilt");
    assert!(rebuilt == new, "other bytes");
}

#[test]
fn debs_with_every_compression_of_dpkg_come_back_exactly() {
    for arguments in [
        &["-Zxz"][..],
        &["-Zxz", "-z9"],
        &["-Zxz", "-z2"],
        &["-Zxz", "-Sextreme"],
        &["-Znone"],
    ] {
        let (old, new) = debs(arguments);
        small(&old, &new, 0.10);
    }
}

#[test]
fn rpms_come_back_exactly() {
    for payload in ["w2.xzdio", "w6.xzdio", "w7T2.xzdio"] {
        let (old, new) = rpms(payload);
        small(&old, &new, 0.15);
    }
}

#[test]
fn what_no_encoder_gives_is_sent_whole() {
    // One byte of the compressed member stands otherwise: no encoder gives that.
    let (old, mut new) = debs(&["-Zxz"]);
    let middle = new.len() / 2;
    new[middle] ^= 1;
    let made = make(&old, &new, &Limits::default());
    assert!(made.is_err(), "a recipe for bytes that no encoder gives");
}

#[test]
fn what_has_nothing_in_common_is_sent_whole() {
    let noise = |seed: u64| {
        let mut state = seed;
        let next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        std::iter::repeat_with(next)
            .take(40_000)
            .flatten()
            .collect::<Vec<u8>>()
    };
    let (old, new) = (deb(&["-Zxz"], 1, &noise(1)), deb(&["-Zxz"], 2, &noise(2)));
    let made = make(&old, &new, &Limits::default());
    assert!(
        matches!(made, Err(DeltaError::NotSmaller { .. })),
        "{:?}",
        made.map(|recipe| recipe.len())
    );
}

#[test]
fn other_files_and_large_ones_are_refused() {
    let limits = Limits::default();
    let (old, new) = debs(&["-Zxz"]);
    for odd in [&b""[..], b"!<arch>\n", b"\xed\xab\xee\xdb", b"PK\x03\x04"] {
        make(odd, &new, &limits).expect_err("old");
        make(&old, odd, &limits).expect_err("new");
    }
    let tight = Limits {
        plain_bytes: content(1).len() - 1,
        ..limits
    };
    let error = make(&old, &new, &tight).expect_err("too large");
    assert!(matches!(error, DeltaError::TooLarge { .. }), "{error}");
    let recipe = make(&old, &new, &limits).expect("a recipe");
    let error = rebuild(&old, &recipe, &pair(&old, &new), &tight).expect_err("too large");
    assert!(matches!(error, DeltaError::TooLarge { .. }), "{error}");
}

#[test]
fn a_recipe_is_for_its_pair_only() {
    let (old, new) = debs(&["-Zxz"]);
    let limits = Limits::default();
    let recipe = make(&old, &new, &limits).expect("a recipe");
    let other = rebuild(&old, &recipe, &pair(&new, &old), &limits).expect_err("other pair");
    assert!(matches!(other, DeltaError::OtherPair { .. }), "{other}");
    // A damaged base: what comes out is what was asked for, or nothing.
    let mut damaged = old.clone();
    for place in (0..damaged.len()).step_by(97) {
        damaged[place] ^= 1;
    }
    if let Ok(bytes) = rebuild(&damaged, &recipe, &pair(&old, &new), &limits) {
        assert!(bytes == new, "wrong bytes were handed out");
    }
}

#[test]
fn the_same_file_again_costs_next_to_nothing() {
    let (old, _) = debs(&["-Zxz"]);
    small(&old, &old.clone(), 0.02);
}
