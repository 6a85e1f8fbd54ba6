//! Bytes that a host signs with its identity key (ECDSA P-256 with SHA-256): check-in counters and renewals.

/// Size of a boot id, bytes.
pub const BOOT_ID_BYTES: usize = 16;

/// What the signature of a check-in counter covers: `netpatch-counter/1` ‖ boot id ‖ n (u64 big-endian).
#[must_use]
pub fn counter_bytes(boot_id: &[u8; BOOT_ID_BYTES], n: u64) -> Vec<u8> {
    [b"netpatch-counter/1".as_slice(), boot_id, &n.to_be_bytes()].concat()
}

/// What the old key signs when a certificate is renewed after its end: `netpatch-renew/1` ‖ CSR.
#[must_use]
pub fn renewal_bytes(csr_der: &[u8]) -> Vec<u8> {
    [b"netpatch-renew/1".as_slice(), csr_der].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_big_endian_behind_the_boot_id() {
        let bytes = counter_bytes(&[7; 16], 258);
        assert_eq!(&bytes[..18], b"netpatch-counter/1");
        assert_eq!(&bytes[18..34], &[7; 16]);
        assert_eq!(&bytes[34..], &[0, 0, 0, 0, 0, 0, 1, 2]);
    }
}
