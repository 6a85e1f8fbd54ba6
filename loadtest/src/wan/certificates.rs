//! An organization's CA with one relay and one host, as files of a folder.

use anyhow::{Context as _, Result};
use netpatch_protocol::{IdentityName, SubjectKind};
use netpatch_tunnel::Identity;
use netpatch_types::{HostId, OrganizationId, SystemClock};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};
use std::path::Path;

/// Makes them.
pub(super) fn make(folder: &Path) -> Result<()> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes);
    write("ca.der", params.self_signed(&key)?.der())?;
    let issuer = Issuer::new(params, key);
    let now = SystemClock::shared().now();
    let organization = OrganizationId::new(now);
    for kind in [SubjectKind::Relay, SubjectKind::Host] {
        let name = IdentityName {
            organization,
            kind,
            id: HostId::new(now).0,
        };
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(name.to_string().try_into()?)];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        let certificate = params.signed_by(&key, &issuer)?;
        let name = kind.as_str();
        write(&format!("{name}.der"), certificate.der())?;
        write(&format!("{name}.key"), &key.serialize_der())?;
        // For programs that read PEM.
        let both = certificate.pem() + &key.serialize_pem();
        write(&format!("{name}.pem"), both.as_bytes())?;
    }
    Ok(())
}

/// The relay's identity, and the CA.
pub(super) fn relay(folder: &Path) -> Result<(Identity, Vec<u8>)> {
    read(folder, SubjectKind::Relay)
}

/// The host's identity, and the CA.
pub(super) fn host(folder: &Path) -> Result<(Identity, Vec<u8>)> {
    read(folder, SubjectKind::Host)
}

fn read(folder: &Path, kind: SubjectKind) -> Result<(Identity, Vec<u8>)> {
    let read =
        |name: &str| std::fs::read(folder.join(name)).with_context(|| format!("read {name}"));
    let name = kind.as_str();
    let identity = Identity::new(read(&format!("{name}.der"))?, read(&format!("{name}.key"))?);
    Ok((identity, read("ca.der")?))
}
