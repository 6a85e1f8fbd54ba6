//! Compiles the protocol's .proto files without an installed protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = [
        "document.proto",
        "session.proto",
        "enrol.proto",
        "site.proto",
    ];
    let descriptors = protox::compile(files, ["proto"])?;
    prost_build::Config::new()
        .include_file("messages.rs")
        .compile_fds(descriptors)?;
    Ok(())
}
