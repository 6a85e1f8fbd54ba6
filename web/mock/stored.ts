import type { MockHost, MockPatch } from './fixtures.ts';

/** Who signs in to the mock platform. */
export const people = [
  { email: 'tess@msp.example', name: 'Tess Technician', password: 'correct horse' },
  { email: 'otto@acme.example', name: 'Otto Approver', password: 'battery staple' },
];

/** What a person decided. */
export interface Decision {
  by: { kind: string; name: string };
  verdict: string;
  reason: string;
  at: string;
}

/** An approval as it is kept. */
export interface StoredApproval {
  id: string;
  patch: MockPatch;
  status: string;
  requestedBy: { kind: string; name: string };
  requestedAt: string;
  required: number;
  decisions: Decision[];
}

/** A run as it is kept. */
export interface StoredRun {
  id: string;
  host: MockHost;
  status: string;
  lastEventAt: string;
}

/** A wave as it is kept. */
export interface StoredWave {
  id: string;
  ordinal: number;
  status: string;
  runs: StoredRun[];
}

/** A deployment as it is kept. */
export interface StoredDeployment {
  id: string;
  name: string;
  status: string;
  reason: string;
  revision: number;
  patches: MockPatch[];
  waves: StoredWave[];
  createdAt: string;
}

/** All filters in one: each list looks at what it knows. */
export interface Filter {
  cve?: string;
  applicability?: string[];
  isOverdue?: boolean | null;
  severity?: { eq?: string; in?: string[] };
  site?: { eq?: string };
  hostname?: { contains?: string };
  hostId?: string;
  patchId?: string;
  advisoryId?: string;
  isKnownExploited?: boolean;
  isRebootPending?: boolean;
  notSeenSince?: string;
  isUnknown?: boolean;
  isNeverScanned?: boolean;
  organizationId?: string;
  groupId?: string;
}

/** Where the run at this place of a wave stands at the start. */
export function runStatus(wave: string, index: number) {
  if (wave === 'PASSED') return 'SUCCEEDED';
  if (wave === 'FAILED') return index === 0 ? 'ROLLED_BACK' : 'SUCCEEDED';
  return ['SUCCEEDED', 'FAILED', 'SUCCEEDED', 'INSTALLING', 'WAITING_FOR_WINDOW', 'STAGING', 'REBOOTING'][index] ?? 'OFFERED';
}
