//! `netpatch version compare`: a line in, a line out.

use crate::program::{fed, netpatch, outcome};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

const DEB: [&str; 4] = ["version", "compare", "--ecosystem", "deb"];

#[test]
fn each_pair_has_its_line_and_a_bad_one_does_not_end_the_run() {
    let mut input =
        b"1.0~rc1\t1.0\n1:0\t0:9\r\n1.0\t1.0-0\nno tab\n\n1\tx\n\xff\t1\n1\t2\t3\n".to_vec();
    input.extend(vec![b'7'; 1 << 20]);
    input.extend(b"\n1\t0");
    let (code, out, err) = fed(&DEB, &input);
    assert_eq!(
        out,
        "-1\n1\n0\ninvalid\ninvalid\ninvalid\ninvalid\ninvalid\ninvalid\n1\n"
    );
    assert_eq!(
        err.lines().collect::<Vec<_>>(),
        [
            "netpatch: line 4: no tab between two versions",
            "netpatch: line 5: no tab between two versions",
            "netpatch: line 7: not UTF-8",
            "netpatch: line 9: longer than 64 KiB",
        ]
    );
    assert_eq!(code, Some(3));
}

#[test]
fn every_name_of_an_ecosystem_is_taken_and_no_other() {
    for (name, pair, expected) in [
        ("RPM", "1.0~rc1-1\t1.0-1", "-1"),
        ("pacman", "1.0a\t1.0", "-1"),
        ("alpine", "1.2_rc1\t1.2", "-1"),
        ("pypi", "1.0.post1\t1.0", "1"),
        ("npm", "v1.2.3-beta\t1.2.3", "-1"),
        ("go", "v1.2.3\t1.2.3", "0"),
        ("maven", "1.0-sp\t1.0.Final", "1"),
        ("rubygems", "1.0.a\t1.0", "-1"),
        ("packagist", "dev-main\t1.0", "-1"),
        ("nuget", "1.0.0-BETA\t1.0.0-beta", "0"),
        ("semver", "1.0\t1.0.0.0", "0"),
        ("windows", "10.0.19045.9\t10.0.19045.10", "-1"),
    ] {
        let answer = fed(
            &["version", "compare", "--ecosystem", name],
            format!("{pair}\n").as_bytes(),
        );
        let expected = (Some(0), format!("{expected}\n"), String::new());
        assert_eq!(answer, expected, "{name} {pair}");
    }
    let (code, out, err) = fed(&["version", "compare", "--ecosystem", "nothing"], b"1\t2\n");
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("known are deb, rpm, apk"), "{err}");
}

#[test]
fn no_input_is_fine_and_no_ecosystem_is_wrong_usage() {
    assert_eq!(fed(&DEB, b""), (Some(0), String::new(), String::new()));
    let (code, out, _) = outcome(&netpatch(&["version", "compare"]).output().unwrap());
    assert_eq!((code, out.as_str()), (Some(2), ""));
    let (code, help, _) = fed(&["version", "compare", "--help"], b"");
    assert_eq!(code, Some(0));
    for words in [
        "`-1`",
        "`0`",
        "`1`",
        "`invalid`",
        "Exit codes",
        "alpm      pacman, arch",
    ] {
        assert!(help.contains(words), "{words} not in {help}");
    }
}

#[test]
fn a_question_is_answered_before_the_next_is_asked() {
    let mut child = netpatch(&DEB)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ask = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    for (question, expected) in [("1\t2\n", "-1\n"), ("2\t1\n", "1\n")] {
        ask.write_all(question.as_bytes()).unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        assert_eq!(answer, expected);
    }
    drop(ask);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_ends_the_run_quietly() {
    let mut child = netpatch(&DEB)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ask = child.stdin.take().unwrap();
    drop(child.stdout.take());
    // Until the program is gone; the pipe holds less than this.
    let refused = (0..100_000).find_map(|_| ask.write_all(b"1\t2\n1\t2\n1\t2\n1\t2\n").err());
    assert_eq!(refused.unwrap().kind(), std::io::ErrorKind::BrokenPipe);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut err = String::new();
    child.stderr.unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(err, "");
}
