"""Asks dnf what the agent wants to know: `driver.py JOB`, both JSON, the answer on the last line of standard output.

Written for dnf 4 (Python 3.6 and newer). The host's configuration is read and never written; indices lie in a cache of
the agent's own. Nothing but the job `install` changes the host.
"""
import json
import os
import sys

import dnf
import dnf.callback
import dnf.exceptions
import dnf.repo
import dnf.rpm
import dnf.yum.rpmtrans
import hawkey
import libdnf.transaction

# What a person excluded counts as held; what a module stream hides is not there at all.
WITH_HELD = hawkey.IGNORE_REGULAR_EXCLUDES
# The installed version may be kept from wherever it is.
ALL = hawkey.IGNORE_EXCLUDES


class Answer(Exception):
    """An answer that ends the job early."""


def evr(pkg):
    text = "%s-%s" % (pkg.version, pkg.release)
    return "%s:%s" % (pkg.epoch, text) if int(pkg.epoch or 0) else text


def place(pkg):
    return (pkg.name, pkg.arch)


def source(pkg):
    text = pkg.sourcerpm or ""
    parts = text[: -len(".src.rpm")].rsplit("-", 2) if text.endswith(".src.rpm") else []
    if len(parts) == 3:
        return parts[0], "%s-%s" % (parts[1], parts[2])
    return pkg.name, evr(pkg)


def payload(pkg):
    kind, digest = pkg.returnIdSum() or ("", "")
    return {
        "name": pkg.name,
        "arch": pkg.arch,
        "version": evr(pkg),
        "sha256": digest if kind == "sha256" else "",
        "size": pkg.downloadsize,
        "repo": pkg.reponame,
    }


class KeyImport(dnf.callback.KeyImport):
    """The key of an index is the one that the repository's own configuration names."""

    def _confirm(self, *_):
        return True


def mirrors(repo):
    """The first web address of a mirror list that the host's own dnf has fetched before."""
    roots = ["/var/cache/dnf", "/var/cache/libdnf5"]
    for root in roots:
        for folder in sorted(os.listdir(root)) if os.path.isdir(root) else []:
            if not folder.startswith(repo.id + "-"):
                continue
            for name in ["mirrorlist", "metalink.xml"]:
                path = os.path.join(root, folder, name)
                if not os.path.isfile(path):
                    continue
                with open(path, encoding="utf-8", errors="replace") as lines:
                    text = lines.read(1 << 20)
                for word in text.replace("<", " ").replace(">", " ").split():
                    if word.startswith(("https://", "http://")) and "repomd.xml" in word:
                        return word.split("/repodata/repomd.xml")[0]
                    if name == "mirrorlist" and word.startswith(("https://", "http://")):
                        return word
    return None


class Host:
    def __init__(self, job):
        self.job = job
        self.base = dnf.Base()
        conf = self.base.conf
        conf.read()
        conf.substitutions.update_from_etc(conf.installroot, varsdir=conf.varsdir)
        # A host that no package calls a release has none; repositories may do without.
        if conf.substitutions.get("releasever") is None:
            conf.substitutions["releasever"] = ""
        conf.cachedir = job["cache"]
        conf.assumeyes = True
        conf.exit_on_lock = True
        self.with_version_locks()

    def with_version_locks(self):
        """A person's holds live in a plug-in; no other plug-in is needed, and dnf complains of one that is not there."""
        folders = list(self.base.conf.pluginpath)
        if any(os.path.isfile(os.path.join(folder, "versionlock.py")) for folder in folders):
            self.base.init_plugins(disabled_glob=["*"], enable_plugins=["versionlock"])
            self.base.pre_configure_plugins()
            self.base.configure_plugins()

    def read_repositories(self, through_proxy):
        self.base.read_all_repos()
        proxy = self.job.get("proxy")
        for repo in self.base.repos.iter_enabled():
            urls = list(repo.baseurl)
            if not urls:
                found = mirrors(repo)
                urls = [found] if found else []
            web = [url for url in urls if url.startswith(("http://", "https://"))]
            repo.np_urls = web
            if through_proxy and web:
                repo.baseurl = ["http://" + url.split("://", 1)[1] for url in web[:1]]
                repo.mirrorlist = None
                repo.metalink = None
            if proxy:
                repo.proxy = proxy
                repo.retries = 2
            if not self.job.get("refresh"):
                repo._repo.setSyncStrategy(dnf.repo.SYNC_ONLY_CACHE)
            else:
                repo._repo.expire()
                repo._set_key_import(KeyImport())
        return list(self.base.repos.iter_enabled())

    def load(self):
        self.read_repositories(True)
        self.base.fill_sack(load_system_repo=True, load_available_repos=True)
        return self.base.sack

    def changes(self):
        """The resolved transaction: what goes in, what goes out."""
        transaction = self.base.transaction
        new = sorted(transaction.install_set, key=place)
        old = {}
        for pkg in transaction.remove_set:
            old.setdefault(place(pkg), []).append(pkg)
        items = []
        for pkg in new:
            item = payload(pkg)
            before = old.pop(place(pkg), [])
            item["before"] = evr(max(before)) if before else None
            item["remove"] = False
            items.append(item)
        for pkgs in old.values():
            for pkg in pkgs:
                items.append(
                    {"name": pkg.name, "arch": pkg.arch, "version": None, "before": evr(pkg), "remove": True}
                )
        return items


def repositories(host):
    urls = []
    without = []
    for repo in host.read_repositories(True):
        urls.extend(repo.np_urls)
        if not repo.np_urls and not repo.baseurl:
            without.append(repo.id)
    return {"urls": sorted(set(urls)), "without": without}


def refresh(host):
    problems = []
    for repo in host.read_repositories(True):
        if not repo.baseurl:
            problems.append("repository %s names only a mirror list that was never fetched" % repo.id)
            continue
        try:
            repo.load()
        except dnf.exceptions.RepoError as error:
            problems.extend(str(error).splitlines())
    return {"problems": problems}


def errata(sack, installed, candidate):
    found = []
    for advisory in installed.get_advisories(hawkey.GT):
        for pkg in advisory.packages:
            same = pkg.name == candidate.name and pkg.arch == candidate.arch
            if same and sack.evr_cmp(pkg.evr, candidate.evr) <= 0 and advisory.id not in found:
                found.append(advisory.id)
                break
    security = [
        advisory
        for advisory in installed.get_advisories(hawkey.GT)
        if advisory.id in found and advisory.type == hawkey.ADVISORY_SECURITY
    ]
    return sorted(found)[:200], bool(security)


def installable(host):
    sack = host.load()
    base = host.base
    base.conf.best = False
    candidates = list(sack.query().upgrades().filter(latest_per_arch=1))
    everything = list(sack.query(flags=WITH_HELD).upgrades().filter(latest_per_arch=1))
    shown = {place(pkg): pkg for pkg in candidates}
    hidden = [pkg for pkg in everything if place(pkg) not in shown]
    base.upgrade_all()
    base.resolve()
    chosen = {(pkg.name, pkg.arch, pkg.evr) for pkg in base.transaction.install_set}
    brings = any(item["before"] is None or item["remove"] for item in host.changes())
    updates = []
    for pkg in candidates + hidden:
        olds = sack.query().installed().filter(name=pkg.name, arch=pkg.arch)
        if not olds:
            olds = sack.query().installed().filter(name=pkg.name)
        if not olds:
            continue
        old = max(olds)
        update = payload(pkg)
        update["installed"] = evr(old)
        update["source"], update["source_version"] = source(pkg)
        update["errata"], update["security"] = errata(sack, old, pkg)
        update["group"] = pkg.group or ""
        update["label"] = base.repos[pkg.reponame].name if pkg.reponame in base.repos else pkg.reponame
        if pkg in hidden:
            update["state"] = "held"
        else:
            in_it = (pkg.name, pkg.arch, pkg.evr) in chosen
            update["state"] = "installable" if in_it else "kept_back"
        update["requires"] = []
        updates.append((pkg, update))
    groups = {}
    for pkg, update in updates:
        if update["state"] == "installable":
            groups.setdefault((update["source"], update["source_version"]), []).append((pkg, update))
    if len(chosen) != len(candidates) or brings or len(groups) > 1:
        for group in groups.values():
            attribute(host, group)
    return {"updates": [update for _, update in updates]}


def sources(host):
    """Where what a full update brings would be fetched."""
    host.load()
    base = host.base
    base.conf.best = False
    base.upgrade_all()
    base.resolve()
    found = []
    for pkg in base.transaction.install_set:
        digest = payload(pkg)["sha256"]
        urls = base.repos[pkg.reponame].np_urls if pkg.reponame in base.repos else []
        # A package that its index says lies elsewhere is not below its repository.
        if digest and urls and pkg.location and not pkg.baseurl:
            found.append({"sha256": digest, "url": "%s/%s" % (urls[0].rstrip("/"), pkg.location.lstrip("/"))})
    return {"sources": found}


def attribute(host, group):
    """Which other packages one source's updates bring."""
    base = host.base
    base.reset(goal=True)
    for pkg, _ in group:
        base.package_upgrade(pkg)
    try:
        base.resolve()
    except dnf.exceptions.DepsolveError:
        return
    own = {place(pkg) for pkg, _ in group}
    others = [item for item in host.changes() if (item["name"], item["arch"]) not in own]
    for _, update in group:
        update["requires"] = others


def find(sack, item):
    """The package of a wanted item; refuses with the reason."""
    wanted = dict(name=item["name"], arch=item["arch"])
    newer = [pkg for pkg in sack.query().available().filter(**wanted) if evr(pkg) == item["version"]]
    if newer:
        return newer[0]
    shown = "%s.%s %s" % (item["name"], item["arch"], item["version"])
    if any(evr(pkg) == item["version"] for pkg in sack.query(flags=WITH_HELD).available().filter(**wanted)):
        raise Answer("held", "%s is excluded or locked on this host" % shown)
    raise Answer("superseded", "no repository offers %s" % shown)


def checks(repo):
    return bool(repo.gpgcheck or repo.repo_gpgcheck)


def plan(host):
    sack = host.load()
    host.base.conf.best = True
    pkgs = [find(sack, item) for item in host.job["wanted"]]
    for pkg in pkgs:
        host.base.package_upgrade(pkg)
    host.base.resolve(allow_erasing=False)
    install_set = host.base.transaction.install_set
    for pkg in install_set:
        if not checks(pkg.repo):
            raise Answer("unsigned", "repository %s checks no signature, so nothing vouches for %s" % (pkg.reponame, pkg))
    items = host.changes()
    have = {(item["name"], item["arch"], item["version"]) for item in items}
    for item in host.job["wanted"]:
        if (item["name"], item["arch"], item["version"]) not in have:
            raise Answer("depsolve", "dnf leaves out %s.%s %s" % (item["name"], item["arch"], item["version"]))
    return {"items": items}


class Progress(dnf.callback.DownloadProgress):
    """Remembers why a download failed: the error at the end only says that it did."""

    def __init__(self):
        super().__init__()
        self.problems = []

    def end(self, payload, status, msg):
        if msg and status in (dnf.callback.STATUS_FAILED, dnf.callback.STATUS_MIRROR):
            self.problems.append("%s: %s" % (payload, msg))


def fetch(host):
    """Downloads exact versions into a folder. What cannot be had is named, not an error."""
    sack = host.load()
    query = sack.query(flags=ALL).available()
    missing, found, unverified = [], [], []
    for item in host.job["wanted"]:
        pkgs = [p for p in query.filter(name=item["name"], arch=item["arch"]) if evr(p) == item["version"]]
        if item.get("sha256"):
            pkgs = [p for p in pkgs if (p.returnIdSum() or ("", ""))[1] == item["sha256"]]
        if pkgs:
            found.append(pkgs[0])
        else:
            missing.append("%s.%s %s" % (item["name"], item["arch"], item["version"]))
    for repo in host.base.repos.iter_enabled():
        repo.pkgdir = host.job["folder"]
    progress = Progress()
    problems = []
    try:
        host.base.download_packages(found, progress)
    except dnf.exceptions.DownloadError as error:
        problems = progress.problems + str(error).splitlines()
    for pkg in found:
        path = pkg.localPkg()
        if not os.path.isfile(path):
            continue
        if pkg.repo.gpgcheck:
            code, text = host.base.package_signature_check(pkg)
            if code != 0:
                unverified.append(text or "the signature of %s cannot be checked" % pkg)
    return {"missing": missing, "problems": problems, "unverified": unverified}


def from_files(host):
    """The transaction of staged files, resolved without any repository."""
    base = host.base
    base.fill_sack(load_system_repo=True, load_available_repos=False)
    base.conf.best = True
    for pkg in base.add_remote_rpms(host.job["files"], strict=True):
        installed = base.sack.query().installed().filter(name=pkg.name)
        if installed:
            base.package_upgrade(pkg)
        else:
            base.package_install(pkg)
    base.resolve(allow_erasing=False)
    return {"items": host.changes()}


class Display(dnf.yum.rpmtrans.TransactionDisplay):
    """Prints what rpm does and remembers what its scripts did wrong."""

    def __init__(self):
        super().__init__()
        self.wrong = 0
        self.last = None

    def progress(self, package, action, ti_done, ti_total, ts_done, ts_total):
        now = (str(package), action)
        if now != self.last:
            self.last = now
            print("%s %s/%s %s" % (dnf.transaction.ACTIONS.get(action, action), ts_done, ts_total, package), flush=True)

    def scriptout(self, msgs):
        if msgs:
            text = msgs.decode("utf-8", "replace") if isinstance(msgs, bytes) else str(msgs)
            print(text.strip("\n"), flush=True)

    def error(self, message):
        self.wrong += 1
        print(message, flush=True)


def install(host):
    """Exit code 3: everything is installed, but a script of a package ended with an error."""
    from_files(host)
    automatic = {(item["name"], item["arch"]) for item in host.job.get("automatic", [])}
    for item in host.base.transaction:
        if item.action == libdnf.transaction.TransactionItemAction_INSTALL and place(item.pkg) in automatic:
            item.reason = libdnf.transaction.TransactionItemReason_DEPENDENCY
    display = Display()
    host.base.do_transaction(display)
    return {"code": 3 if display.wrong else 0}


def marks(host):
    """Packages that were installed because a person wanted them."""
    host.base.fill_sack(load_system_repo=True, load_available_repos=False)
    installed = host.base.sack.query().installed()
    return {"user": sorted("%s.%s" % place(pkg) for pkg in installed if host.base.history.user_installed(pkg))}


JOBS = {
    job.__name__: job
    for job in [repositories, refresh, installable, sources, plan, fetch, from_files, install, marks]
}


def main():
    job = json.loads(sys.argv[1])
    try:
        answer = JOBS[job["job"]](Host(job))
    except Answer as answered:
        answer = {"refused": answered.args[0], "lines": [answered.args[1]]}
    except dnf.exceptions.DepsolveError as error:
        answer = {"refused": "depsolve", "lines": str(error).splitlines()}
    except (dnf.exceptions.Error, OSError, RuntimeError) as error:
        print(str(error), file=sys.stderr)
        sys.exit(1)
    print(json.dumps(answer), flush=True)
    sys.exit(answer.get("code", 0))


main()
