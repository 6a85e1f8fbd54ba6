//! The same suite on the embedded store and on an S3 server behind a socket.

use hyper_util::rt::{TokioExecutor, TokioIo};
use netpatch_storage::blobs::{BlobError, Blobs, content_key};
use netpatch_types::Sha256;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;

async fn conforms(blobs: &Blobs) {
    assert_eq!(blobs.get("a/none").await.unwrap(), None);
    assert!(!blobs.exists("a/none").await.unwrap());
    blobs.put("a/one", &b"1"[..]).await.unwrap();
    blobs.put("a/one", &b"eins"[..]).await.unwrap();
    assert_eq!(blobs.get("a/one").await.unwrap().unwrap(), &b"eins"[..]);
    blobs.put_durable("a/b/two", Vec::new()).await.unwrap();
    assert_eq!(blobs.get("a/b/two").await.unwrap().unwrap().len(), 0);
    let large: Vec<u8> = (0..3_000_000u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let (key, digest) = blobs.put_named("payload", large.clone()).await.unwrap();
    assert_eq!(key, content_key("payload", &Sha256::of(&large)));
    assert_eq!(
        blobs.put_named("payload", large.clone()).await.unwrap().0,
        key
    );
    assert_eq!(
        blobs.get_named("payload", &digest).await.unwrap().unwrap(),
        large
    );
    blobs.put(&key, &b"other"[..]).await.unwrap();
    assert!(matches!(
        blobs.get_named("payload", &digest).await,
        Err(BlobError::Damaged(_))
    ));
    assert_eq!(blobs.list("a/").await.unwrap(), ["a/b/two", "a/one"]);
    assert!(blobs.list("nothing/").await.unwrap().is_empty());
    let stored = blobs.stored("a/").await.unwrap();
    let mut sizes: Vec<_> = stored
        .iter()
        .map(|blob| (blob.key.as_str(), blob.size_bytes))
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [("a/b/two", 0), ("a/one", 4)]);
    assert!(stored.iter().all(|blob| blob.written_at > 1_000_000_000));
    blobs.delete("a/one").await.unwrap();
    blobs.delete("a/one").await.unwrap();
    assert!(!blobs.exists("a/one").await.unwrap());
    assert!(matches!(
        blobs.put("../x", &b""[..]).await,
        Err(BlobError::Key(_))
    ));
    for number in 0..1005 {
        blobs
            .put(&format!("many/{number:04}"), &b"x"[..])
            .await
            .unwrap();
    }
    assert_eq!(blobs.list("many/").await.unwrap().len(), 1005);
}

#[tokio::test]
async fn the_embedded_store_conforms_and_keeps_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("file:{}", folder.path().join("blobs").display());
    let blobs = Blobs::connect(&address).await.unwrap();
    conforms(&blobs).await;
    drop(blobs);
    let again = Blobs::connect(&address).await.unwrap();
    assert!(again.exists("a/b/two").await.unwrap());
}

#[tokio::test]
async fn a_folder_belongs_to_one_store_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("file:{}", folder.path().display());
    let first = Blobs::connect(&address).await.unwrap();
    let copy = first.clone();
    let second = Blobs::connect(&address).await;
    assert!(matches!(second, Err(BlobError::Open(_))), "{second:?}");
    drop(first);
    drop(copy);
    Blobs::connect(&address).await.unwrap();
}

/// Set by the test below for the copy of this program that has the credentials in its environment.
const STORE: &str = "NETPATCH_TEST_S3_ADDRESS";

#[tokio::test]
async fn a_store_behind_a_socket_conforms() {
    if let Ok(address) = std::env::var(STORE) {
        return conforms(&Blobs::connect(&address).await.unwrap()).await;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bucket")).unwrap();
    let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
    service.set_auth(SimpleAuth::from_single("access", "secret"));
    let service = service.build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                server.serve_connection(TokioIo::new(stream), service).await
            });
        }
    });
    let client = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "blobs::a_store_behind_a_socket_conforms"])
        .env(
            STORE,
            format!("s3://bucket?endpoint=http://127.0.0.1:{port}&region=eu-test-1"),
        )
        .env("AWS_ACCESS_KEY_ID", "access")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        // Nothing outside this machine is asked.
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .await
        .unwrap();
    assert!(
        client.status.success(),
        "{}",
        String::from_utf8_lossy(&client.stdout)
    );
    server.abort();
}

#[tokio::test]
async fn wrong_addresses_are_refused() {
    for address in ["", "http://x", "s3://", "s3://a/b", "s3://a?colour=red"] {
        assert!(
            matches!(Blobs::connect(address).await, Err(BlobError::Address(_))),
            "{address}"
        );
    }
}
