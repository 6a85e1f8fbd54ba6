import type { MockHost } from './fixtures.ts';

interface Probing {
  at: string;
  relay: () => object;
}

const socket = (protocol: 'TCP' | 'UDP', address: string, port: number, isAllowedByFirewall: boolean | null, process: string | null, unit: string | null, pkg: string | null, outcome?: string) => {
  const isReachable = !address.startsWith('127.') && address !== '::1';
  return { __typename: 'ListeningSocket', protocol, address, port, isReachable, isAllowedByFirewall, process, unit, package: pkg, outcome };
};

/** The same with what a relay found out; it tried by IPv4, which says nothing of a socket that waits for IPv6 too. */
function probed({ outcome, ...one }: ReturnType<typeof socket>, probing: Probing | undefined) {
  const measured = one.isReachable ? one.isAllowedByFirewall : false;
  if (!outcome || !probing) return { ...one, isExposed: measured, exposureBasis: 'HOST', probe: null };
  const counts = outcome === 'REACHED' || one.address !== '::';
  const probe = { __typename: 'SocketProbe', outcome, at: probing.at, target: '10.20.0.15', relay: probing.relay };
  return { ...one, isExposed: counts ? outcome === 'REACHED' : measured, exposureBasis: counts ? 'PROBE' : 'HOST', probe };
}

/** What a machine tells of itself besides its packages. Every seventh cannot read its firewall; the second has an agent that tells nothing. */
export function machine(host: MockHost, probing: Probing | undefined) {
  const at = Number(host.id.slice(5));
  const isOld = at === 1;
  const isUnread = at % 7 === 5;
  const allowed = (yes: boolean) => (isUnread ? null : yes);
  const isScanned = host.scannedAt !== null && !isOld;
  return {
    osVersion: '12',
    installedKernel: isOld ? null : host.rebootPending || at === 0 ? '6.1.0-41-amd64' : '6.1.0-40-amd64',
    bootId: isOld ? null : `6f1b2c${String(at).padStart(2, '0')}-9a41-4c1e-8d53-2f60c1b7a9e4`,
    firewallReader: isOld || isUnread ? null : 'nft',
    firewallProblem: isUnread && !isOld ? 'nft: a set of table inet filter has too many elements' : null,
    hardware: {
      __typename: 'Hardware',
      vendor: isOld ? null : 'Initech', model: isOld ? null : 'Rack 2200', serial: isOld ? null : `IN-${2200 + at}`, firmware: isOld ? null : '2.14.1',
      processor: isOld ? null : 'Common Silicon C9 2.1 GHz', virtualization: at % 2 ? 'kvm' : null, processorCount: 8, memoryMib: 32_768, freeMib: isOld ? null : 48_210,
      disks: isOld ? [] : [
        { __typename: 'Disk', name: 'nvme0n1', model: 'FastDisk 960', sizeMib: 915_715 },
        { __typename: 'Disk', name: 'sda', model: null, sizeMib: 3_815_447 },
      ],
      cards: isOld ? [] : [{ __typename: 'NetworkCard', name: 'eth0', address: `52:54:00:12:34:${String(at % 100).padStart(2, '0')}` }],
    },
    listening: isScanned
      ? [
          socket('TCP', '0.0.0.0', 22, allowed(true), 'sshd', 'ssh.service', 'openssh-server', 'REACHED'),
          socket('TCP', '::', 9000, allowed(true), 'collector', null, null, 'NO_ANSWER'),
          socket('TCP', '0.0.0.0', 443, allowed(true), 'nginx', 'nginx.service', 'nginx', 'REACHED'),
          socket('TCP', '0.0.0.0', 9100, allowed(false), 'node_exporter', 'node-exporter.service', null, 'NO_ANSWER'),
          socket('UDP', '0.0.0.0', 5353, allowed(true), 'avahi-daemon', 'avahi-daemon.service', 'avahi-daemon'),
          socket('TCP', '127.0.0.1', 5432, allowed(true), 'postgres', 'postgresql@15-main.service', 'postgresql-15'),
          socket('TCP', '0.0.0.0', 8080, allowed(true), null, null, null, 'REFUSED'),
        ].map((one) => probed(one, probing))
      : [],
    staleServices: isScanned && at % 3 === 0
      ? [
          { __typename: 'StaleService', unit: 'nginx.service', process: 'nginx', files: ['/usr/lib/x86_64-linux-gnu/libcrypto.so.3', '/usr/lib/x86_64-linux-gnu/libssl.so.3'] },
          { __typename: 'StaleService', unit: null, process: 'backup-job', files: ['/usr/lib/x86_64-linux-gnu/libxml2.so.2.9.14'] },
        ]
      : [],
    providers: isScanned
      ? [
          { __typename: 'HostProvider', name: 'apt', componentCount: 412, problem: null },
          { __typename: 'HostProvider', name: 'pip', componentCount: 64, problem: 'One environment is larger than 100,000 files; it was not read.' },
        ]
      : [],
    refusedPatches: isScanned && at % 4 === 0
      ? [
          refused('libxml2', 'amd64', '2.9.14+dfsg-1.3~deb13u1', 'OTHER_RELEASE', 'It is of the release trixie, the host runs bookworm; take that source away, or upgrade the host.'),
          refused('libxml2', 'i386', '2.9.14+dfsg-1.3~deb12u4', 'ARCHITECTURE', 'It is for i386, the host is amd64 and has nothing of i386 installed.'),
          refused('linux-image-amd64', 'amd64', '6.1.153-1', 'DISK_TOO_SMALL', 'It needs 1204 MiB, 310 MiB are free; make room.'),
          ...Array.from({ length: 58 }, (_, one) => refused(`texlive-part${one}`, 'amd64', '2023.20240401-1', 'OTHER_RELEASE', 'It is of the release trixie, the host runs bookworm; take that source away, or upgrade the host.')),
        ]
      : [],
  };
}

function refused(name: string, arch: string, version: string, code: string, reason: string) {
  return { __typename: 'PatchRefusal', package: name, arch, version, code, reason, host: null, patch: name === 'linux-image-amd64' ? null : { __typename: 'Patch', id: `patch_${name}`, name, fixedVersion: version } };
}
