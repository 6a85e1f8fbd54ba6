#!/bin/sh
# mk-pacman-repository.sh OUTDIR: a signed pacman repository "np" of tiny packages, for successes and failures on purpose.
#
# Every package exists as 1.0-1 (a file only) and as 2.0-1, which the database offers; what 2.0-1 does stands beside its name
# below. OUTDIR/gnupg is a key ring that trusts the key. Packages and database are signed. Needs tar, gzip and gnupg.
set -eu
umask 022
out=$1
rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
export GNUPGHOME="$work/gpg" HOME="$work"
trap 'gpgconf --kill all 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
mkdir -m 700 "$work/gpg"
mkdir "$work/db"
gpg --quiet --batch --passphrase '' --quick-gen-key 'NetPatch tests <tests@example.invalid>' rsa2048 sign never 2>/dev/null
same="--sort=name --owner=0 --group=0 --mtime=@1700000000"

# package NAME VERSION [PKGINFO-LINES] [INSTALL-SCRIPT] [BACKUP-FILE]
package() {
    root=$work/next
    file=$1-$2-any.pkg.tar.gz
    mkdir -p "$root/usr/share/np" "$root/etc"
    echo "$2" >"$root/usr/share/np/$1"
    {
        printf 'pkgname = %s\npkgbase = %s\npkgver = %s\npkgdesc = test\nurl = https://example.invalid\nbuilddate = 1700000000\n' "$1" "${base:-$1}" "$2"
        printf 'packager = NetPatch tests\nsize = 100\narch = any\nlicense = MIT\n'
        [ -z "${3:-}" ] || printf '%s\n' "$3"
        [ -z "${5:-}" ] || printf 'backup = %s\n' "$5"
    } >"$root/.PKGINFO"
    parts=".PKGINFO"
    [ -z "${4:-}" ] || { printf '%s\n' "$4" >"$root/.INSTALL"; parts="$parts .INSTALL"; }
    [ -z "${5:-}" ] || echo "setting=$2" >"$root/$5"
    # shellcheck disable=SC2086
    (cd "$root" && tar -czf "$out/$file" $same $parts usr etc)
    rm -rf "$root"
    gpg --quiet --batch --detach-sign "$out/$file"
    [ "$2" = 1.0-1 ] && [ "$1" != np-dependency ] && return
    entry=$work/db/$1-$2
    mkdir "$entry"
    {
        printf '%%FILENAME%%\n%s\n\n%%NAME%%\n%s\n\n%%BASE%%\n%s\n\n%%VERSION%%\n%s\n\n%%DESC%%\ntest\n\n' "$file" "$1" "${base:-$1}" "$2"
        printf '%%CSIZE%%\n%s\n\n%%ISIZE%%\n100\n\n' "$(stat -c %s "$out/$file")"
        printf '%%SHA256SUM%%\n%s\n\n%%PGPSIG%%\n%s\n\n' "$(sha256sum "$out/$file" | cut -d' ' -f1)" "$(base64 -w0 "$out/$file.sig")"
        printf '%%ARCH%%\nany\n\n%%BUILDDATE%%\n1700000000\n\n'
        printf '%s\n' "${3:-}" | sed -n 's/^depend = //p' | { read -r need && printf '%%DEPENDS%%\n%s\n\n' "$need"; } || true
    } >"$entry/desc"
}

# good, held: install; held is in IgnorePkg in a test
for version in 1.0-1 2.0-1; do
    package np-good $version
    package np-held $version
    # config: a changed configuration file stays
    package np-config $version '' '' etc/np-config.conf
    # suite: one source, two packages
    base=np-suite package np-suite $version
    base=np-suite package np-suite-libs $version
done

# failing-script: is installed, but its script fails
package np-failing-script 1.0-1
package np-failing-script 2.0-1 '' 'post_upgrade() { echo "np-failing-script: cannot migrate the database" >&2; return 1; }'

# unmet: needs what nobody has
package np-unmet 1.0-1
package np-unmet 2.0-1 'depend = np-does-not-exist>=9'

# new-dependency: brings np-dependency
package np-dependency 1.0-1
package np-new-dependency 1.0-1
package np-new-dependency 2.0-1 'depend = np-dependency'

# held-up: waits while /run/np-held-up.wait is there
package np-held-up 1.0-1
package np-held-up 2.0-1 '' 'post_upgrade() { echo "np-held-up: waiting"; while [ -e /run/np-held-up.wait ]; do sleep 0.1; done; }'

# shellcheck disable=SC2086
(cd "$work/db" && tar -czf "$out/np.db" $same -- *)
gpg --quiet --batch --detach-sign "$out/np.db"
gpg --quiet --export >"$work/key"
mkdir -m 700 "$out/gnupg"
fingerprint=$(gpg --quiet --with-colons --list-keys | sed -n 's/^fpr:::::::::\([^:]*\):$/\1/p' | head -1)
GNUPGHOME="$out/gnupg" gpg --quiet --batch --import "$work/key" 2>/dev/null
printf '%s:6:\n' "$fingerprint" | GNUPGHOME="$out/gnupg" gpg --quiet --batch --import-ownertrust 2>/dev/null
GNUPGHOME="$out/gnupg" gpgconf --kill all 2>/dev/null || true
find "$out/gnupg" -type s -delete
