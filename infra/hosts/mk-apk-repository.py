"""mk-apk-repository.py OUTDIR: a signed apk repository of tiny packages, for successes and failures on purpose.

Every package exists as 1.0-r0 (a file only) and as 2.0-r0, which the index offers; what 2.0-r0 does stands beside its name below.
OUTDIR/np.rsa.pub is the key, OUTDIR/other holds an index that another key signed. Needs python3 and openssl.

An apk of version 2 is three tar segments, each compressed by itself: signature, control and data. Signature and control have no
end-of-archive blocks; each file of the data has its SHA-1 in a pax header.
"""

import base64
import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

OUT = sys.argv[1]
FOLDER = os.path.join(OUT, "x86_64")
WHEN = 1700000000
os.makedirs(FOLDER)
os.makedirs(os.path.join(OUT, "other"))
index = []


def segment(files, end=False):
    raw = io.BytesIO()
    tar = tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT)
    for name, data, mode, sums in files:
        info = tarfile.TarInfo(name)
        info.mtime, info.uname, info.gname, info.mode = WHEN, "root", "root", mode
        if data is None:
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
            continue
        info.size = len(data)
        if sums:
            info.pax_headers = {"APK-TOOLS.checksum.SHA1": hashlib.sha1(data).hexdigest()}
        tar.addfile(info, io.BytesIO(data))
    blocks = raw.getvalue()[: tar.offset] + (bytes(1024) if end else b"")
    return gzip.compress(blocks, 9, mtime=0)


def openssl(*words, given=None):
    return subprocess.run(["openssl", *words], input=given, check=True, capture_output=True).stdout


def signed(key, control):
    signature = openssl("dgst", "-sha1", "-sign", key, given=control)
    return segment([(".SIGN.RSA.np.rsa.pub", signature, 0o644, False)]) + control


def package(key, name, version, depends=(), script="", configuration="", origin=""):
    files = []
    if configuration:
        files.append(("etc", None, 0o755, False))
        files.append((configuration, f"setting={version}\n".encode(), 0o644, True))
    for folder in ("usr", "usr/share", "usr/share/np"):
        files.append((folder, None, 0o755, False))
    files.append((f"usr/share/np/{name}", f"{version}\n".encode(), 0o644, True))
    if version.startswith("2"):
        # A file that the version before had not.
        files.append((f"usr/share/np/{name}.2", b"new\n", 0o644, True))
    data = segment(files, True)
    info = f"pkgname = {name}\npkgver = {version}\npkgdesc = test\nurl = https://example.invalid\nbuilddate = {WHEN}\n"
    info += f"packager = NetPatch tests\nsize = 100\narch = x86_64\norigin = {origin or name}\nlicense = MIT\n"
    info += "".join(f"depend = {depend}\n" for depend in depends)
    info += f"datahash = {hashlib.sha256(data).hexdigest()}\n"
    members = [(".PKGINFO", info.encode(), 0o644, False)]
    if script:
        members.append((".post-upgrade", f"#!/bin/sh\n{script}\n".encode(), 0o755, False))
    control = segment(members)
    content = signed(key, control) + data
    with open(os.path.join(FOLDER, f"{name}-{version}.apk"), "wb") as file:
        file.write(content)
    if version == "1.0-r0" and name not in ("np-dependency", "np-shed"):
        return
    identity = "Q1" + base64.b64encode(hashlib.sha1(control).digest()).decode()
    text = f"C:{identity}\nP:{name}\nV:{version}\nA:x86_64\nS:{len(content)}\nI:100\nT:test\n"
    text += f"U:https://example.invalid\nL:MIT\no:{origin or name}\nt:{WHEN}\n"
    if depends:
        text += f"D:{' '.join(depends)}\n"
    index.append(text)


def both(key, name, depends=(), before=(), **two):
    origin = two.pop("origin", "")
    package(key, name, "1.0-r0", before, origin=origin, configuration=two.get("configuration", ""))
    package(key, name, "2.0-r0", depends, origin=origin, **two)


with tempfile.TemporaryDirectory() as work:
    key, other = os.path.join(work, "np.rsa"), os.path.join(work, "other.rsa")
    for place in (key, other):
        openssl("genrsa", "-out", place, "2048")
    openssl("rsa", "-in", key, "-pubout", "-out", os.path.join(OUT, "np.rsa.pub"))

    # The key itself too: a test lets apk sign an index of its own kind with it.
    shutil.copy(key, os.path.join(OUT, "np.rsa"))

    # good, held: install; held is bound to its version in a test
    both(key, "np-good")
    both(key, "np-held")
    # config: a changed configuration file stays
    both(key, "np-config", configuration="etc/np-config.conf")
    # suite: one source, two packages
    both(key, "np-suite", origin="np-suite")
    both(key, "np-suite-libs", origin="np-suite")
    # failing-script: is installed, but its script fails
    both(key, "np-failing-script", script='echo "np-failing-script: cannot migrate the database" >&2\nexit 1')
    # unmet: needs what nobody has
    both(key, "np-unmet", depends=["np-does-not-exist>=9"])
    # new-dependency: brings np-dependency
    package(key, "np-dependency", "1.0-r0")
    both(key, "np-new-dependency", depends=["np-dependency"])
    # shedding: needs np-shed no more, which goes
    package(key, "np-shed", "1.0-r0")
    both(key, "np-shedding", before=["np-shed"])
    # held-up: waits while /run/np-held-up.wait is there; 1.0-r0 does so on the way back
    wait = 'echo "np-held-up: waiting"; while [ -e /run/np-held-up.wait ]; do sleep 0.1; done'
    package(key, "np-held-up", "1.0-r0", script=wait)
    package(key, "np-held-up", "2.0-r0", script=wait)

    names = segment([("DESCRIPTION", b"np", 0o644, False), ("APKINDEX", "\n".join(index).encode() + b"\n", 0o644, False)], True)
    for place, signer in ((FOLDER, key), (os.path.join(OUT, "other"), other)):
        with open(os.path.join(place, "APKINDEX.tar.gz"), "wb") as file:
            file.write(signed(signer, names))
