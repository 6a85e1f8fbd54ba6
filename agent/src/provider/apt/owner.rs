//! Which package a file belongs to, from dpkg's own lists (`/var/lib/dpkg/info/*.list`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

/// Most lists that are read.
const MAX_LISTS: usize = 50_000;
/// Longest list that is read, bytes.
const MAX_LIST_BYTES: u64 = 64 << 20;

/// The packages of these files; of a file without one there is nothing.
pub(super) fn owners(root: &Path, files: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    // `/usr/bin/x` and `/bin/x` are one file where `/bin` is a link, and dpkg may know either name.
    let mut wanted: HashMap<&str, &str> = HashMap::new();
    for file in files {
        wanted.insert(file, file);
        let rest = file.strip_prefix("/usr").unwrap_or_default();
        if ["/bin/", "/sbin/", "/lib"]
            .iter()
            .any(|place| rest.starts_with(place))
        {
            wanted.insert(rest, file);
        }
    }
    let folder = root.join("var/lib/dpkg/info");
    let lists = fs::read_dir(folder).into_iter().flatten().flatten();
    for list in lists.take(MAX_LISTS * 4) {
        if found.len() == files.len() {
            break;
        }
        let name = list.file_name();
        let Some(package) = name.to_str().and_then(|name| name.strip_suffix(".list")) else {
            continue;
        };
        let fits = list
            .metadata()
            .is_ok_and(|data| data.is_file() && data.len() <= MAX_LIST_BYTES);
        let Ok(text) = (if fits {
            fs::read(list.path())
        } else {
            continue;
        }) else {
            continue;
        };
        for line in text.split(|byte| *byte == b'\n') {
            let file = std::str::from_utf8(line)
                .ok()
                .and_then(|line| wanted.get(line));
            if let Some(file) = file {
                let package = package.split(':').next().unwrap_or(package);
                found.insert((*file).to_owned(), package.to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_under_both_of_its_names() {
        let root = tempfile::tempdir().expect("folder");
        let info = root.path().join("var/lib/dpkg/info");
        fs::create_dir_all(&info).expect("info");
        fs::write(info.join("openssh-server.list"), "/.\n/usr/sbin/sshd\n").expect("a list");
        fs::write(info.join("bash:amd64.list"), b"/bin/bash\n/\xff\n").expect("a list");
        fs::write(info.join("bash.postinst"), "/usr/bin/other\n").expect("a script");
        let files = ["/usr/sbin/sshd", "/usr/bin/bash", "/usr/bin/other"].map(str::to_owned);
        let found = owners(root.path(), &files.into());
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found["/usr/sbin/sshd"], "openssh-server");
        assert_eq!(found["/usr/bin/bash"], "bash");
    }
}
