#!/bin/sh
# mk-repository.sh OUTDIR [LABEL]: a signed apt repository of tiny packages, for successes and failures on purpose.
#
# Every package exists as 1.0-1 (good) and 2.0-1; what 2.0-1 does stands beside its name below. Suite "stable",
# component "main", arch "all", the machine's own and one foreign. The key that signs is made here and thrown away; its public
# half is OUTDIR/key.asc. Needs dpkg-dev, apt-utils and gnupg.
set -eu
umask 022
out=$1
label=${2:-netpatch-test}
rm -rf "$out"
mkdir -p "$out/pool/main"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

native=$(dpkg --print-architecture)
foreign=i386
[ "$native" != i386 ] || foreign=amd64

# package NAME VERSION [CONTROL-LINES]: maintainer scripts and files come from $work/next, which is emptied. For
# architecture $arch, by default all.
package() {
    root=$work/next
    mkdir -p "$root/DEBIAN" "$root/usr/share/$1"
    {
        printf 'Package: %s\nVersion: %s\nArchitecture: %s\nSection: misc\nPriority: optional\n' "$1" "$2" "${arch:-all}"
        printf 'Maintainer: NetPatch tests <tests@example.invalid>\n'
        [ -z "${3:-}" ] || printf '%s\n' "$3"
        printf 'Description: test package %s\n' "$1"
    } >"$root/DEBIAN/control"
    echo "$2" >"$root/usr/share/$1/version"
    dpkg-deb --root-owner-group "-Z${compression:-gzip}" --build "$root" "$out/pool/main" >/dev/null
    rm -rf "$root"
}

# script NAME BODY: a maintainer script of the next package.
script() {
    mkdir -p "$work/next/DEBIAN"
    printf '#!/bin/sh\n%s\n' "$2" >"$work/next/DEBIAN/$1"
    chmod 755 "$work/next/DEBIAN/$1"
}

# conffile NAME TEXT: /etc/NAME.conf of the next package.
conffile() {
    mkdir -p "$work/next/DEBIAN" "$work/next/etc"
    echo "$2" >"$work/next/etc/$1.conf"
    echo "/etc/$1.conf" >"$work/next/DEBIAN/conffiles"
}

# good: installs
package np-good 1.0-1
package np-good 2.0-1

# failing-postinst: the configuration of 2.0-1 fails
package np-failing-postinst 1.0-1
script postinst 'case "$1" in configure) echo "np-failing-postinst: cannot migrate the database" >&2; exit 1 ;; esac'
package np-failing-postinst 2.0-1

# failing-preinst: 2.0-1 refuses to be unpacked
package np-failing-preinst 1.0-1
script preinst 'echo "np-failing-preinst: this processor is too old" >&2; exit 1'
package np-failing-preinst 2.0-1

# unmet: 2.0-1 needs what does not exist
package np-unmet 1.0-1
package np-unmet 2.0-1 'Depends: np-does-not-exist (>= 9)'

# new-dependency: 2.0-1 brings np-dependency
package np-dependency 1.0-1
package np-new-dependency 1.0-1
package np-new-dependency 2.0-1 'Depends: np-dependency'

# conffile: 2.0-1 changes a conffile that the host may have changed too
conffile np-conffile 'setting=1'
package np-conffile 1.0-1
conffile np-conffile 'setting=2'
package np-conffile 2.0-1

# held-up: the configuration of 2.0-1 waits while /run/np-held-up.wait exists
package np-held-up 1.0-1
script postinst 'while [ -e /run/np-held-up.wait ]; do sleep 0.05; done'
package np-held-up 2.0-1

# big: 2.0-1 needs 32 MiB
package np-big 1.0-1
mkdir -p "$work/next/usr/share/np-big"
head -c 33554432 /dev/urandom >"$work/next/usr/share/np-big/blob"
compression=none package np-big 2.0-1
compression=

# both: for two architectures; 2.0-1 installs.  phased: the same, and 2.0-1 is for one host in a hundred so far (in the
# index only, as the vendor would say it)
for arch in "$native" "$foreign"; do
    for name in np-both np-phased; do
        for version in 1.0-1 2.0-1; do
            mkdir -p "$work/next/usr/share/$name"
            echo "$version" >"$work/next/usr/share/$name/version-$arch"
            package "$name" "$version" 'Multi-Arch: same'
        done
    done
done
arch=

# broken-archive: 2.0-1 has the hash that the index says, and cannot be unpacked
package np-broken-archive 1.0-1
package np-broken-archive 2.0-1
broken=$out/pool/main/np-broken-archive_2.0-1_all.deb
size=$(wc -c <"$broken")
printf 'XXXXXXXX' | dd of="$broken" bs=1 seek=$((size - 60)) conv=notrunc status=none

cd "$out"
for arch in "$native" "$foreign"; do
    index=dists/stable/main/binary-$arch
    mkdir -p "$index"
    apt-ftparchive --arch "$arch" packages pool | awk 'BEGIN { RS = ""; ORS = "\n\n" }
        /Package: np-phased\n/ && /\nVersion: 2.0-1\n/ { $0 = $0 "\nPhased-Update-Percentage: 1" } { print }' >"$index/Packages"
    gzip -kn "$index/Packages"
done
apt-ftparchive \
    -o APT::FTPArchive::Release::Origin=netpatch-test \
    -o "APT::FTPArchive::Release::Label=$label" \
    -o APT::FTPArchive::Release::Suite=stable \
    -o APT::FTPArchive::Release::Codename=stable \
    -o APT::FTPArchive::Release::Components=main \
    -o "APT::FTPArchive::Release::Architectures=$native $foreign all" \
    release dists/stable >"$work/Release"
mv "$work/Release" dists/stable/Release

GNUPGHOME=$work/gnupg
export GNUPGHOME
mkdir -m 700 "$GNUPGHOME"
gpg --quiet --batch --passphrase '' --quick-generate-key 'netpatch tests <tests@example.invalid>' ed25519 sign never 2>/dev/null
gpg --quiet --armor --export >key.asc
gpg --quiet --batch --yes --clearsign --output dists/stable/InRelease dists/stable/Release
gpgconf --kill gpg-agent 2>/dev/null || true

