#!/bin/sh
# mk-rpm-repository.sh OUTDIR: a signed repository of tiny rpm packages, for successes and failures on purpose.
#
# Every package exists as 1.0-1 (good) and 2.0-1; what 2.0-1 does stands beside its name below. Packages and index are
# signed with a key that is made here and thrown away; its public half is OUTDIR/key.asc. updateinfo names two errata.
# Needs rpm (rpmbuild, rpmsign), createrepo-c and gnupg.
set -eu
umask 022
out=$1
rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'GNUPGHOME="$work/gpg" gpgconf --kill all 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
export HOME="$work" GNUPGHOME="$work/gpg" SOURCE_DATE_EPOCH=1700000000
mkdir -m 700 "$work/gpg"
mkdir -p "$work/top/RPMS"
gpg --quiet --batch --passphrase '' --quick-gen-key 'NetPatch tests <tests@example.invalid>' rsa2048 sign never 2>"$work/log"
gpg --armor --export >"$out/key.asc"
cat >"$work/.rpmmacros" <<M
%_topdir $work/top
%_dbpath $work/db
%_gpg_name NetPatch tests
%__gpg /usr/bin/gpg
M

# package NAME VERSION [TAGS] [SCRIPTS] [FILES]: TAGS go into the preamble, SCRIPTS after %files. FILES adds to %files.
package() {
    spec=$work/$1-$2.spec
    {
        printf 'Name: %s\nVersion: %s\nRelease: 1\nSummary: test package\nLicense: MIT\nGroup: Tests\nBuildArch: noarch\n' "$1" "$2"
        printf '%s\n' "${3:-}"
        printf '%%description\ntest\n%%install\nmkdir -p %%{buildroot}/usr/share/np %%{buildroot}/etc\n'
        printf 'echo %s >%%{buildroot}/usr/share/np/%s\n' "$2" "${file:-$1}"
        [ -z "${5:-}" ] || printf 'echo setting=%s >%%{buildroot}/etc/%s.conf\n' "$2" "$1"
        printf '%%files\n/usr/share/np/%s\n%s\n' "${file:-$1}" "${5:-}"
        printf '%s\n' "${4:-}"
    } >"$spec"
    rpmbuild -bb --quiet --nodeps "$spec" >>"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
}

# What packages need of a real system.
package np-system 1.0 'Provides: /bin/sh
Provides: system-release = 9'

# good, held: install; held is excluded by a test
package np-good 1.0
package np-good 2.0
package np-held 1.0
package np-held 2.0

# secure: fixed by the erratum NPSA-2026:0001, with an epoch
package np-secure 1.0 'Epoch: 1'
package np-secure 2.0 'Epoch: 1'

# config: its configuration file changes
package np-config 1.0 '' '' '%config(noreplace) /etc/np-config.conf'
package np-config 2.0 '' '' '%config(noreplace) /etc/np-config.conf'

# failing-post: is installed, but its script fails
package np-failing-post 1.0
package np-failing-post 2.0 '' '%post
echo "np-failing-post: cannot migrate the database" >&2
exit 1'

# failing-pre: refuses to be installed
package np-failing-pre 1.0
package np-failing-pre 2.0 '' '%pre
echo "np-failing-pre: this processor is too old" >&2
exit 1'

# unmet: needs what nobody has
package np-unmet 1.0
package np-unmet 2.0 'Requires: np-does-not-exist >= 9'

# new-dependency: brings np-dependency
package np-dependency 1.0
package np-new-dependency 1.0
package np-new-dependency 2.0 'Requires: np-dependency'

# replaced: np-replacing 2.0 takes its place
package np-replaced 1.0
package np-replacing 1.0
package np-replacing 2.0 'Obsoletes: np-replaced < 2
Provides: np-replaced = 2'

# corrupt: its signature and index are right, its payload is not
package np-corrupt 1.0
package np-corrupt 2.0

# held-up: waits while /run/np-held-up.wait is there
package np-held-up 1.0
package np-held-up 2.0 '' '%post
echo "np-held-up: waiting"
while [ -e /run/np-held-up.wait ]; do sleep 0.1; done'

# kernel: versions stand side by side
file=np-kernel-1.0 package np-kernel 1.0 'Provides: installonlypkg(kernel)
Provides: multiversion(kernel)'
file=np-kernel-2.0 package np-kernel 2.0 'Provides: installonlypkg(kernel)
Provides: multiversion(kernel)'

# vendor: 2.0 comes from somebody else
package np-vendor 1.0 'Vendor: NetPatch tests'
package np-vendor 2.0 'Vendor: Somebody else'

# retracted: its vendor took 2.0 back
package np-retracted 1.0
package np-retracted 2.0

# stream: 1.0 is in the stream "one" of the module np, 2.0 in "two"
package np-stream 1.0
package np-stream 2.0

# suite: one source, two packages that need each other in the same version
for version in 1.0 2.0; do
    package np-suite $version "Requires: np-suite-libs = $version-1
%package libs
Summary: libraries
%description libs
libraries" "%files libs"
done

cp "$work"/top/RPMS/noarch/*.rpm "$out/"
rpmsign --addsign "$out"/*.rpm >>"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
cat >"$work/updateinfo.xml" <<'X'
<?xml version="1.0" encoding="UTF-8"?>
<updates>
<update from="tests@example.invalid" status="stable" type="security" version="1"><id>NPSA-2026:0001</id><title>np-secure security update</title><severity>Important</severity><issued date="2026-11-01 00:00:00"/><updated date="2026-11-01 00:00:00"/><references><reference href="x" id="CVE-2026-0001" type="cve" title="CVE-2026-0001"/></references><description>d</description><pkglist><collection short="t"><name>t</name><package name="np-secure" version="2.0" release="1" epoch="1" arch="noarch" src="np-secure-2.0-1.src.rpm"><filename>np-secure-2.0-1.noarch.rpm</filename></package></collection></pkglist></update>
<update from="tests@example.invalid" status="stable" type="bugfix" version="1"><id>NPBA-2026:0002</id><title>np-good bug fix update</title><severity>None</severity><issued date="2026-11-01 00:00:00"/><updated date="2026-11-01 00:00:00"/><references/><description>d</description><pkglist><collection short="t"><name>t</name><package name="np-good" version="2.0" release="1" epoch="0" arch="noarch" src="np-good-2.0-1.src.rpm"><filename>np-good-2.0-1.noarch.rpm</filename></package></collection></pkglist></update>
<update from="tests@example.invalid" status="retracted" type="recommended" version="1"><id>NPRU-2026:0003</id><title>np-retracted update</title><severity>None</severity><issued date="2026-11-01 00:00:00"/><updated date="2026-11-01 00:00:00"/><references/><description>d</description><pkglist><collection short="t"><name>t</name><package name="np-retracted" version="2.0" release="1" epoch="0" arch="noarch" src="np-retracted-2.0-1.src.rpm"><filename>np-retracted-2.0-1.noarch.rpm</filename></package></collection></pkglist></update>
</updates>
X
cat >"$work/modules.yaml" <<'Y'
---
document: modulemd
version: 2
data:
  name: np
  stream: "one"
  version: 1
  context: c0ffee42
  arch: noarch
  summary: a module
  description: a module
  license:
    module: [MIT]
  artifacts:
    rpms: ["np-stream-0:1.0-1.noarch"]
...
---
document: modulemd
version: 2
data:
  name: np
  stream: "two"
  version: 1
  context: c0ffee43
  arch: noarch
  summary: a module
  description: a module
  license:
    module: [MIT]
  artifacts:
    rpms: ["np-stream-0:2.0-1.noarch"]
...
Y
# Hash and size in the index are those of the damaged file: only rpm itself can notice.
corrupt=$out/np-corrupt-2.0-1.noarch.rpm
printf 'XXXXXXXX' | dd of="$corrupt" bs=1 seek=$(($(stat -c %s "$corrupt") - 60)) conv=notrunc status=none
createrepo_c --quiet "$out"
modifyrepo_c "$work/updateinfo.xml" "$out/repodata" >/dev/null
modifyrepo_c --mdtype=modules "$work/modules.yaml" "$out/repodata" >/dev/null
gpg --quiet --batch --detach-sign --armor "$out/repodata/repomd.xml"
