//! Whom the relays of an organization turn away: hosts in quarantine by their id, ended rights by the certificate, since a host that
//! enrols again keeps its id and gets another certificate.

use crate::site::RefusedHosts;
use netpatch_types::{HostId, Sha256};
use std::collections::HashSet;
use uuid::Uuid;

/// Most hosts of one [`RefusedHosts`].
pub const MAX_HOSTS: usize = 5_000;
/// Most certificates of one [`RefusedHosts`]; the whole stays well below a frame.
pub const MAX_CERTIFICATES: usize = 10_000;

/// A list, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Hosts in quarantine.
    pub hosts: HashSet<HostId>,
    /// Revoked certificates, by their SHA-256.
    pub certificates: HashSet<Sha256>,
}

impl RefusedHosts {
    /// A list of hosts and certificates, each from the last whose right ended: what is beyond the limits is left out, and the list says so.
    /// Equal sets give equal bytes.
    #[must_use]
    pub fn of(hosts: &[HostId], certificates: &[Sha256]) -> Self {
        let is_cut = hosts.len() > MAX_HOSTS || certificates.len() > MAX_CERTIFICATES;
        let mut hosts: Vec<_> = hosts.iter().take(MAX_HOSTS).map(|host| host.0).collect();
        hosts.sort_unstable();
        let mut certificates: Vec<_> = certificates.iter().take(MAX_CERTIFICATES).collect();
        certificates.sort_unstable();
        let mut list = Self {
            list: Vec::new(),
            hosts: hosts.iter().flat_map(|id| *id.as_bytes()).collect(),
            certificates: certificates.iter().flat_map(|digest| digest.0).collect(),
            is_cut,
        };
        list.list = list.digest().0.to_vec();
        list
    }

    /// What the list says; `None` when it is not whole, or longer than it may be.
    #[must_use]
    pub fn read(&self) -> Option<Refused> {
        let (ids, rest) = self.hosts.as_chunks::<16>();
        let (digests, further) = self.certificates.as_chunks::<32>();
        let fits = ids.len() <= MAX_HOSTS && digests.len() <= MAX_CERTIFICATES;
        let is_whole = rest.is_empty() && further.is_empty() && self.list == self.digest().0;
        (fits && is_whole).then(|| Refused {
            hosts: ids.iter().map(|id| HostId(Uuid::from_bytes(*id))).collect(),
            certificates: digests.iter().map(|digest| Sha256(*digest)).collect(),
        })
    }

    fn digest(&self) -> Sha256 {
        let cut = [u8::from(self.is_cut)];
        let lengths = (self.hosts.len() as u64).to_be_bytes();
        Sha256::of(&[&lengths, &self.hosts[..], &self.certificates[..], &cut].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::encode_frame;

    fn host(n: u128) -> HostId {
        HostId(Uuid::from_u128(n))
    }

    fn certificate(n: u32) -> Sha256 {
        Sha256::of(&n.to_be_bytes())
    }

    #[test]
    fn a_list_says_what_it_was_made_of_in_any_order() {
        let list = RefusedHosts::of(&[host(2), host(1)], &[certificate(1), certificate(2)]);
        let other = RefusedHosts::of(&[host(1), host(2)], &[certificate(2), certificate(1)]);
        assert_eq!(list, other);
        let read = list.read().expect("whole");
        assert_eq!(read.hosts, [host(1), host(2)].into());
        assert_eq!(read.certificates, [certificate(1), certificate(2)].into());
        assert!(!list.is_cut);
        let nobody = RefusedHosts::of(&[], &[]);
        assert_eq!(nobody.read(), Some(Refused::default()));
        assert_eq!(nobody.list.len(), 32, "not the same as none");
    }

    #[test]
    fn beyond_the_limits_the_last_ones_stay_and_the_list_says_so_and_fits_a_frame() {
        let hosts: Vec<_> = (0..=MAX_HOSTS as u128).map(host).collect();
        let certificates: Vec<_> = (0..=10_000).map(certificate).collect();
        let list = RefusedHosts::of(&hosts, &certificates);
        let read = list.read().expect("whole");
        assert!(list.is_cut);
        assert_eq!(read.hosts.len(), MAX_HOSTS);
        assert_eq!(read.certificates.len(), MAX_CERTIFICATES);
        assert!(!read.hosts.contains(&hosts[MAX_HOSTS]));
        assert!(!read.certificates.contains(&certificates[MAX_CERTIFICATES]));
        encode_frame(&list).expect("fits");
        let fits = RefusedHosts::of(&hosts[1..], &certificates[1..]);
        assert!(!fits.is_cut && fits.read().is_some());
    }

    #[test]
    fn what_is_not_whole_says_nothing() {
        let good = RefusedHosts::of(&[host(1), host(2)], &[certificate(1)]);
        let changes: [fn(&mut RefusedHosts); 7] = [
            |list| list.list.clear(),
            |list| list.hosts.truncate(16),
            |list| list.hosts.truncate(31),
            |list| list.hosts[3] ^= 1,
            |list| list.certificates.clear(),
            |list| list.is_cut = true,
            |list| list.hosts.extend(std::mem::take(&mut list.certificates)),
        ];
        for (n, change) in changes.iter().enumerate() {
            let mut bad = good.clone();
            change(&mut bad);
            assert_eq!(bad.read(), None, "{n}");
        }
        let mut long = RefusedHosts {
            hosts: vec![0; (MAX_HOSTS + 1) * 16],
            ..good
        };
        long.list = long.digest().0.to_vec();
        assert_eq!(long.read(), None, "longer than it may be");
    }
}
