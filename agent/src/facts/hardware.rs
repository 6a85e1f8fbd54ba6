//! The machine: what firmware, processor and kernel say of it.

use super::process::one_line;
use netpatch_protocol::session::{Disk, Hardware, NetworkCard};
use netpatch_types::firmware;
use std::fs;
use std::path::Path;

/// Most disks, and most cards.
const MAX_DEVICES: usize = 64;

/// Reads proc(5) and sysfs(5) at these places.
pub(crate) fn hardware(proc: &Path, sys: &Path) -> Hardware {
    let dmi = |name: &str| {
        let text = file(&sys.join("class/dmi/id").join(name));
        firmware::said(&text).to_owned()
    };
    let number = |name: &str| file(&sys.join("class/dmi/id").join(name));
    let cpuinfo = fs::read_to_string(proc.join("cpuinfo")).unwrap_or_default();
    let (vendor, model) = (dmi("sys_vendor"), dmi("product_name"));
    Hardware {
        virtualization: virtualization(proc, &vendor, &model, &cpuinfo).to_owned(),
        vendor,
        model,
        // Some vendors fill in only the chassis's.
        serial: Some(dmi("product_serial"))
            .filter(|serial| !serial.is_empty())
            .unwrap_or_else(|| dmi("chassis_serial")),
        chassis: number("chassis_type")
            .parse()
            .map(firmware::chassis)
            .unwrap_or_default()
            .to_owned(),
        firmware: dmi("bios_version"),
        processor: cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map(|(_, name)| one_line(name))
            .unwrap_or_default(),
        disks: disks(&sys.join("block")),
        cards: cards(&sys.join("class/net")),
    }
}

fn file(path: &Path) -> String {
    one_line(&fs::read_to_string(path).unwrap_or_default())
}

/// As systemd-detect-virt(1) names the common ones.
fn virtualization(proc: &Path, vendor: &str, model: &str, cpuinfo: &str) -> &'static str {
    let environment = fs::read(proc.join("1/environ")).unwrap_or_default();
    let in_container = environment
        .split(|byte| *byte == 0)
        .any(|variable| variable.starts_with(b"container="));
    if in_container {
        return "container";
    }
    let of_firmware = [
        ("QEMU", "kvm"),
        ("KVM", "kvm"),
        ("OpenStack", "kvm"),
        ("Amazon EC2", "amazon"),
        ("Google", "google"),
        ("VMware", "vmware"),
        ("innotek", "oracle"),
        ("VirtualBox", "oracle"),
        ("Xen", "xen"),
        ("Parallels", "parallels"),
    ];
    let known = of_firmware
        .into_iter()
        .find(|(word, _)| vendor.contains(word) || model.contains(word));
    match known {
        Some((_, name)) => name,
        None if vendor.contains("Microsoft") && model.contains("Virtual") => "microsoft",
        None if cpuinfo
            .lines()
            .any(|line| line.starts_with("flags") && line.contains(" hypervisor")) =>
        {
            "vm"
        }
        None => "",
    }
}

/// Those that the kernel has a device for: no loop, no memory disk.
fn disks(folder: &Path) -> Vec<Disk> {
    let mut all: Vec<Disk> = devices(folder)
        .into_iter()
        .map(|name| {
            let place = folder.join(&name);
            let sectors: u64 = file(&place.join("size")).parse().unwrap_or(0);
            Disk {
                model: file(&place.join("device/model")),
                // sysfs(5) counts sectors of 512 bytes, whatever the disk's own are.
                size_bytes: sectors.saturating_mul(512),
                name,
            }
        })
        .filter(|disk| disk.size_bytes > 0)
        .collect();
    all.truncate(MAX_DEVICES);
    all
}

fn cards(folder: &Path) -> Vec<NetworkCard> {
    let mut all: Vec<NetworkCard> = devices(folder)
        .into_iter()
        .map(|name| NetworkCard {
            address: file(&folder.join(&name).join("address")),
            name,
        })
        .collect();
    all.truncate(MAX_DEVICES);
    all
}

fn devices(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("device").exists())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .map(|name| one_line(&name))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, text).expect("a file");
    }

    #[test]
    fn the_machine_is_read_from_its_files() {
        let folder = tempfile::tempdir().expect("folder");
        let (proc, sys) = (folder.path().join("proc"), folder.path().join("sys"));
        assert_eq!(hardware(&proc, &sys), Hardware::default());
        write(&sys.join("class/dmi/id/sys_vendor"), "QEMU\n");
        write(
            &sys.join("class/dmi/id/product_name"),
            "Standard PC (Q35)\n",
        );
        write(&sys.join("class/dmi/id/product_serial"), "A\u{7}1\n");
        write(&sys.join("block/vda/size"), "16\n");
        write(&sys.join("block/vda/device/model"), "Disk  \n");
        write(&sys.join("block/loop0/size"), "16\n");
        write(&sys.join("class/net/eth0/address"), "52:54:00:12:34:56\n");
        write(&sys.join("class/net/eth0/device/x"), "");
        write(&sys.join("class/net/lo/address"), "00:00:00:00:00:00\n");
        write(
            &proc.join("cpuinfo"),
            "model name\t: Fast 3000\nflags\t: fpu hypervisor\n",
        );
        let machine = hardware(&proc, &sys);
        assert_eq!(machine.virtualization, "kvm");
        assert_eq!(machine.chassis, "");
        assert_eq!(
            (machine.serial.as_str(), machine.processor.as_str()),
            ("A 1", "Fast 3000")
        );
        assert_eq!(
            (machine.disks.len(), machine.disks[0].size_bytes),
            (1, 8192)
        );
        assert_eq!(
            (machine.cards.len(), machine.cards[0].name.as_str()),
            (1, "eth0")
        );
        for (name, text) in [
            ("sys_vendor", "To Be Filled By O.E.M.\n"),
            ("product_name", "System Product Name\n"),
            ("product_serial", "00000000\n"),
            ("chassis_serial", "CH-7\n"),
            ("chassis_type", "23\n"),
        ] {
            write(&sys.join("class/dmi/id").join(name), text);
        }
        let machine = hardware(&proc, &sys);
        assert_eq!((&*machine.vendor, &*machine.model), ("", ""));
        assert_eq!((&*machine.serial, &*machine.chassis), ("CH-7", "server"));
        for odd in ["\u{fffd}", "-1", "99999999999999", ""] {
            write(&sys.join("class/dmi/id/chassis_type"), odd);
            assert_eq!(hardware(&proc, &sys).chassis, "", "{odd}");
        }
        write(&proc.join("1/environ"), "PATH=/bin\0container=lxc\0");
        assert_eq!(hardware(&proc, &sys).virtualization, "container");
    }
}
