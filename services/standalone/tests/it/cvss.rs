//! `netpatch cvss score`: a line in, a line out.

use crate::program::fed;

const INPUT: &str = "AV:N/AC:L/Au:N/C:N/I:N/A:C/E:F/RL:OF/RC:C\n\
    CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:U\n\
    CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/MAV:P\r\n\
    CVSS:3.1/AV:N\n\
    \n\
    CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N\n\
    CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N";

#[test]
fn each_vector_has_its_line() {
    for (arguments, expected) in [
        (
            &["cvss", "score"][..],
            "7.8\n9.8\n9.8\ninvalid\ninvalid\n9.3\n0.0\n",
        ),
        (
            &["cvss", "score", "--overall"],
            "6.4\n9.0\n6.8\ninvalid\ninvalid\n9.3\n0.0\n",
        ),
    ] {
        let answer = fed(arguments, INPUT.as_bytes());
        assert_eq!(answer, (Some(3), expected.to_owned(), String::new()));
    }
    assert_eq!(
        fed(&["cvss", "score"], b""),
        (Some(0), String::new(), String::new())
    );
    assert_eq!(fed(&["cvss", "score", "--all"], b"").0, Some(2));
}

#[test]
fn the_output_is_documented() {
    let (code, help, _) = fed(&["cvss", "score", "--help"], b"");
    assert_eq!(code, Some(0));
    for words in ["`9.8`", "`invalid`", "Exit codes", "--overall"] {
        assert!(help.contains(words), "{words} not in {help}");
    }
}
