import { seeded } from './random.ts';

/** What the mock platform knows about one advisory and the patch for it. */
export interface MockPatch {
  package: string;
  version: string;
  installed: string;
  advisory: string;
  cve: string;
  severity: 'CRITICAL' | 'HIGH' | 'UNKNOWN' | 'MEDIUM' | 'LOW';
  cvss: number | null;
  epss: number | null;
  kev: boolean;
  /** Part of the hosts that miss it. */
  reach: number;
}

export const patches: MockPatch[] = [
  { package: 'openssl', version: '3.0.17-1~deb12u3', installed: '3.0.15-1~deb12u1', advisory: 'DSA-6015-1', cve: 'CVE-2026-9230', severity: 'CRITICAL', cvss: 9.8, epss: 0.64, kev: true, reach: 0.5 },
  { package: 'sudo', version: '1.9.13p3-1+deb12u2', installed: '1.9.13p3-1+deb12u1', advisory: 'DSA-5954-1', cve: 'CVE-2025-32463', severity: 'HIGH', cvss: 7.8, epss: 0.31, kev: true, reach: 0.35 },
  { package: 'libxml2', version: '2.9.14+dfsg-1.3~deb12u4', installed: '2.9.14+dfsg-1.3~deb12u1', advisory: 'DSA-5990-1', cve: 'CVE-2025-7425', severity: 'HIGH', cvss: 7.8, epss: 0.01, kev: false, reach: 0.4 },
  { package: 'curl', version: '7.88.1-10+deb12u14', installed: '7.88.1-10+deb12u12', advisory: 'DSA-6020-1', cve: 'CVE-2026-1101', severity: 'UNKNOWN', cvss: null, epss: null, kev: false, reach: 0.2 },
  { package: 'git', version: '1:2.39.5-0+deb12u3', installed: '1:2.39.5-0+deb12u2', advisory: 'DSA-6003-1', cve: 'CVE-2025-48384', severity: 'MEDIUM', cvss: 6.4, epss: 0.09, kev: false, reach: 0.3 },
  { package: 'perl', version: '5.36.0-7+deb12u3', installed: '5.36.0-7+deb12u2', advisory: 'DSA-5902-1', cve: 'CVE-2024-56406', severity: 'LOW', cvss: 3.7, epss: 0.001, kev: false, reach: 0.25 },
];

export const sites = [
  { id: 'site_berlin', name: 'Berlin', timeZone: 'Europe/Berlin', relay: 'ONLINE' },
  { id: 'site_boston', name: 'Boston', timeZone: 'America/New_York', relay: 'DEGRADED' },
  { id: 'site_osaka', name: 'Osaka warehouse', timeZone: 'Asia/Tokyo', relay: null },
] as const;

const roles = ['web', 'db', 'app', 'ci', 'mail', 'edge'] as const;
const day = 86_400_000;

/** A machine of the mock platform. */
export interface MockHost {
  id: string;
  hostname: string;
  site: (typeof sites)[number];
  ring: string;
  missing: MockPatch[];
  seenAt: string | null;
  scannedAt: string | null;
  rebootPending: boolean;
}

/** Hosts: some stale, some never scanned, most fine. */
export function makeHosts(now: number, count: number): MockHost[] {
  const random = seeded(20_261_121);
  const ago = (ms: number) => new Date(now - ms).toISOString();
  return Array.from({ length: count }, (_, at) => {
    const site = sites[at % sites.length] ?? sites[0];
    const role = random.pick(roles);
    const isStale = random.chance(0.05);
    const isNew = !isStale && random.chance(0.03);
    return {
      id: `host_${String(at).padStart(4, '0')}`,
      hostname: `${role}-${String(at).padStart(3, '0')}.${site.id.slice(5)}.example`,
      site,
      ring: at < 4 ? 'canary' : at < 20 ? 'early' : 'broad',
      missing: isNew ? [] : patches.filter((patch) => random.chance(patch.reach)),
      seenAt: isStale ? ago((8 + random.below(30)) * day) : ago(random.below(90) * 1000),
      scannedAt: isNew ? null : ago((isStale ? 9 : 0) * day + random.below(day)),
      rebootPending: random.chance(0.06),
    };
  });
}
