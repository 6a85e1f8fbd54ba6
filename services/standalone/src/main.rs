//! The program `netpatch`; everything is in the library, so that tests can compose it too.

fn main() -> std::process::ExitCode {
    netpatch::main()
}
