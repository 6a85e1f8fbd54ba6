//! Our orders beside the systems' own tools and other implementations, on real and on random versions.

use crate::vectors::{cases, read};
use netpatch_types::Ecosystem;
use netpatch_types::version::{Version, compare};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Sebastiano Vigna's SplitMix64: the same versions in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % limit as u64).expect("below a usize")
    }

    fn text(&mut self, alphabet: &str, most: usize) -> String {
        let alphabet: Vec<_> = alphabet.chars().collect();
        let length = self.below(most + 1);
        (0..length)
            .map(|_| alphabet[self.below(alphabet.len())])
            .collect()
    }

    /// A text that differs from this one in one place, so that what comes before and after counts.
    fn near(&mut self, text: &str, alphabet: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let at = self.below(bytes.len() + 1);
        let end = (at + self.below(2)).min(bytes.len());
        bytes.splice(at..end, self.text(alphabet, 2).bytes());
        String::from_utf8(bytes).expect("ASCII")
    }

    /// Pairs of valid versions, half of them near each other.
    fn pairs(
        &mut self,
        count: usize,
        ecosystem: Ecosystem,
        make: fn(&mut Self) -> String,
        alphabet: &str,
    ) -> Vec<(String, String)> {
        let mut pairs = Vec::with_capacity(count);
        while pairs.len() < count {
            let left = make(self);
            let right = match self.below(2) {
                0 => make(self),
                _ => self.near(&left, alphabet),
            };
            let valid = |text: &str| Version::parse(ecosystem, text).is_ok() && text.trim() == text;
            if valid(&left) && valid(&right) {
                pairs.push((left, right));
            }
        }
        pairs
    }
}

const DEB_ALPHABET: &str = "001234569abzAZ.+~-:";

fn deb(random: &mut Random) -> String {
    let epoch = ["", "", "", "0:", "1:", "01:"][random.below(6)];
    let upstream = random.text(DEB_ALPHABET, 9);
    let revision = match random.below(3) {
        0 => String::new(),
        _ => format!("-{}", random.text("0019abZ.+~", 6)),
    };
    format!("{epoch}{}{upstream}{revision}", random.below(12))
}

/// dpkg's own comparison, straight from `lib/dpkg/version.c`: character by character, without any preparation.
mod oracle {
    use std::cmp::Ordering;

    fn order(c: Option<u8>) -> i32 {
        match c {
            None => 0,
            Some(c) if c.is_ascii_digit() => 0,
            Some(c) if c.is_ascii_alphabetic() => i32::from(c),
            Some(b'~') => -1,
            Some(c) => i32::from(c) + 256,
        }
    }

    fn part(left: &str, right: &str) -> Ordering {
        let (left, right) = (left.as_bytes(), right.as_bytes());
        let (mut i, mut j) = (0, 0);
        let digit = |text: &[u8], at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
        while i < left.len() || j < right.len() {
            while (i < left.len() && !digit(left, i)) || (j < right.len() && !digit(right, j)) {
                let difference = order(left.get(i).copied()) - order(right.get(j).copied());
                if difference != 0 {
                    return difference.cmp(&0);
                }
                (i, j) = (i + 1, j + 1);
            }
            while left.get(i) == Some(&b'0') {
                i += 1;
            }
            while right.get(j) == Some(&b'0') {
                j += 1;
            }
            let mut first = Ordering::Equal;
            while digit(left, i) && digit(right, j) {
                first = first.then(left[i].cmp(&right[j]));
                (i, j) = (i + 1, j + 1);
            }
            if digit(left, i) {
                return Ordering::Greater;
            }
            if digit(right, j) {
                return Ordering::Less;
            }
            if first.is_ne() {
                return first;
            }
        }
        Ordering::Equal
    }

    fn split(text: &str) -> (u64, &str, &str) {
        let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch.parse().expect("an epoch"), upstream, revision)
    }

    pub(super) fn compare(left: &str, right: &str) -> Ordering {
        let (left, right) = (split(left), split(right));
        left.0
            .cmp(&right.0)
            .then_with(|| part(left.1, right.1))
            .then_with(|| part(left.2, right.2))
    }
}

/// Asks dpkg about every pair; returns those where it disagrees.
fn dpkg_disagrees(pairs: &[(String, String)]) -> Vec<String> {
    let questions: String = pairs
        .iter()
        .map(|(left, right)| {
            let order = compare(Ecosystem::Deb, left, right).expect("versions");
            let operator = ["lt", "eq", "gt"][(order as i8 + 1).unsigned_abs() as usize];
            format!("{left} {operator} {right}\n")
        })
        .collect();
    let script = "while read -r left operator right; do \
        dpkg --compare-versions \"$left\" \"$operator\" \"$right\" || echo \"$left $operator $right\"; done";
    let mut shell = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut stdin = shell.stdin.take().expect("a pipe");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(questions.as_bytes()).expect("questions"));
        shell.wait_with_output().expect("answers")
    });
    let output = String::from_utf8(output.stdout).expect("ASCII");
    output.lines().map(str::to_owned).collect()
}

#[test]
fn debian_order_is_that_of_dpkg() {
    let text = read("versions", "real-debian.tsv");
    let mut real: Vec<_> = cases(&text)
        .into_iter()
        .flat_map(|case| [case.left.to_owned(), case.right.to_owned()])
        .collect();
    real.sort_by(|left, right| compare(Ecosystem::Deb, left, right).expect("versions"));
    real.dedup();
    let neighbours: Vec<_> = real
        .windows(2)
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect();
    assert!(neighbours.len() > 4000, "{}", neighbours.len());
    let random = Random(1).pairs(100_000, Ecosystem::Deb, deb, DEB_ALPHABET);

    let mut seen = [0_usize; 3];
    for (left, right) in neighbours.iter().chain(&random) {
        let ours = compare(Ecosystem::Deb, left, right).expect("versions");
        assert_eq!(ours, oracle::compare(left, right), "{left} {right}");
        seen[(ours as i8 + 1).unsigned_abs() as usize] += 1;
    }
    assert!(seen.iter().all(|count| *count > 3000), "{seen:?}");

    let sample: Vec<_> = neighbours
        .into_iter()
        .step_by(4)
        .chain(random.into_iter().take(1000))
        .collect();
    assert_eq!(dpkg_disagrees(&sample), Vec::<String>::new());
}

const RPM_ALPHABET: &str = "0012349abzAZ.+_~^";

fn rpm(random: &mut Random) -> String {
    let epoch = ["", "", "", "0:", "1:", "01:"][random.below(6)];
    let version = random.text(RPM_ALPHABET, 8);
    let release = match random.below(3) {
        0 => String::new(),
        _ => format!("-{}", random.text(RPM_ALPHABET, 5)),
    };
    format!("{epoch}{version}{release}")
}

#[test]
fn rpm_order_is_that_of_rpm() {
    let mut random = Random(2);
    let pairs = random.pairs(20_000, Ecosystem::Rpm, rpm, RPM_ALPHABET);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for (left, right) in &pairs {
        writeln!(file, "{left}\t{right}").unwrap();
    }
    file.flush().unwrap();
    let script = r#"%{lua:
        for line in io.lines(rpm.expand("%{pairs}")) do
            local left, right = line:match("^(.-)\t(.*)$")
            print(rpm.vercmp(left, right) .. "\n")
        end}"#;
    let output = Command::new("rpm")
        .arg("--define")
        .arg(format!("pairs {}", file.path().display()))
        .args(["--eval", script])
        .output()
        .expect("Debian's package rpm, which cargo xtask setup installs");
    let output = String::from_utf8(output.stdout).expect("ASCII");
    let theirs: Vec<i8> = output
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.parse().unwrap())
        .collect();
    assert_eq!(theirs.len(), pairs.len());
    for ((left, right), theirs) in pairs.iter().zip(theirs) {
        let ours = compare(Ecosystem::Rpm, left, right).unwrap();
        assert_eq!(ours, theirs.cmp(&0), "{left} {right}");
    }
}

#[test]
fn semantic_versions_compare_alike_however_they_are_read() {
    let make = |random: &mut Random| {
        let pre = match random.below(2) {
            0 => String::new(),
            _ => format!("-{}", random.text("019ab.-", 5)),
        };
        format!(
            "{}.{}.{}{pre}",
            random.below(3),
            random.below(3),
            random.below(12)
        )
    };
    let pairs = Random(3).pairs(20_000, Ecosystem::Cargo, make, "019ab.-");
    let mut seen = [0_usize; 3];
    for (left, right) in pairs {
        let strict = compare(Ecosystem::Cargo, &left, &right).unwrap();
        for ecosystem in [
            Ecosystem::Npm,
            Ecosystem::Golang,
            Ecosystem::Hex,
            Ecosystem::Pub,
            Ecosystem::Nuget,
            Ecosystem::Generic,
        ] {
            assert_eq!(
                compare(ecosystem, &left, &right),
                Ok(strict),
                "{ecosystem} {left} {right}"
            );
        }
        seen[(strict as i8 + 1).unsigned_abs() as usize] += 1;
    }
    assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
}
