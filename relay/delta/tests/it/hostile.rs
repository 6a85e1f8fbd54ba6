//! Recipes and packages from somebody who means harm: an error or the right bytes, and never much memory.

use crate::world::{debs, pair};
use netpatch_delta::{Limits, make, rebuild};
use proptest::prelude::*;
use std::sync::LazyLock;

struct Made {
    old: Vec<u8>,
    new: Vec<u8>,
    recipe: Vec<u8>,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    let (old, new) = debs(&["-Zxz", "-z0"]);
    let recipe = make(&old, &new, &Limits::default()).expect("a recipe");
    Made { old, new, recipe }
});

/// As large as the package is and not larger, so that a lie about sizes shows.
fn limits() -> Limits {
    Limits {
        plain_bytes: 4 << 20,
        threads: 1,
    }
}

fn harmless(recipe: &[u8]) {
    let Made { old, new, .. } = &*MADE;
    if let Ok(bytes) = rebuild(old, recipe, &pair(old, new), &limits()) {
        assert!(bytes == *new, "wrong bytes were handed out");
    }
}

#[test]
fn a_recipe_that_breaks_off_is_refused() {
    let recipe = &MADE.recipe;
    for end in (0..recipe.len()).step_by(recipe.len() / 200 + 1) {
        let Made { old, new, .. } = &*MADE;
        rebuild(old, &recipe[..end], &pair(old, new), &limits()).expect_err("cut short");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_changed_recipe_gives_the_right_bytes_or_none(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut recipe = MADE.recipe.clone();
        for (place, value) in changes {
            let place = place.index(recipe.len());
            recipe[place] = value;
        }
        harmless(&recipe);
    }

    #[test]
    fn any_bytes_after_the_magic_are_refused(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut recipe = b"NPDELTA1".to_vec();
        recipe.extend(body);
        harmless(&recipe);
    }

    #[test]
    fn a_changed_package_is_no_panic(
        changes in prop::collection::vec((0usize..400, any::<u8>()), 1..6),
        rpm in any::<bool>(),
    ) {
        let mut file = if rpm {
            let mut lead = vec![0u8; 400];
            lead[..4].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb]);
            lead[96..100].copy_from_slice(&[0x8e, 0xad, 0xe8, 0x01]);
            lead
        } else {
            MADE.new.clone()
        };
        for (place, value) in changes {
            if let Some(byte) = file.get_mut(place) {
                *byte = value;
            }
        }
        let _ = make(&file, &MADE.new, &limits());
    }
}
