import type { MockPatch } from './fixtures.ts';

const day = 86_400_000;

/** Days that the mock baseline gives. */
const daysOf = (patch: MockPatch) => (patch.kev ? 3 : { CRITICAL: 7, HIGH: 14, UNKNOWN: 30, MEDIUM: 60, LOW: null }[patch.severity]);

/** The date that the mock baseline demands. */
export function deadline(patch: MockPatch, seenAt: string, now: number) {
  const days = daysOf(patch);
  const dueAt = days === null ? null : new Date(Date.parse(seenAt) + days * day).toISOString();
  const facts = `exposure not known, counted as public, ${patch.kev ? 'known exploited' : 'not known exploited'}`;
  return {
    dueAt,
    reason: days === null ? `CISA BOD 26-04: with the next scheduled upgrade: ${facts}` : `CISA BOD 26-04: ${days} days from ${seenAt.slice(0, 10)}, when it was seen first here: ${facts}`,
    baselineName: 'Federal',
    standard: 'CISA_BOD_2604',
    sourceUrl: 'https://www.cisa.gov/news-events/directives/bod-26-04-prioritizing-security-updates-based-risk',
    requiresForensicTriage: patch.kev,
    isOverdue: dueAt !== null && Date.parse(dueAt) < now,
  };
}

/** What a list of findings is asked for about its deadlines. */
export interface DueArgs {
  filter?: { isOverdue?: boolean | null } | undefined;
  orderBy?: { field: string } | null;
}

/** Only the (not) overdue ones, and the earliest first if asked for; those without a date come last. */
export function byDeadline<Row extends { deadline: ReturnType<typeof deadline> }>(rows: readonly Row[], { filter, orderBy }: DueArgs) {
  const wanted = filter?.isOverdue;
  const kept = rows.filter((row) => wanted === undefined || wanted === null || row.deadline.isOverdue === wanted);
  const at = (row: Row) => row.deadline.dueAt ?? '9999';
  return orderBy?.field === 'DEADLINE' ? kept.toSorted((a, b) => at(a).localeCompare(at(b))) : kept;
}

const info = (standard: string, name: string, title: string, url: string | null, takesRules: boolean, revokedOn: string | null = null) => ({
  standard, name, title, sourceUrl: url, takesRules, revokedOn, revokedBy: revokedOn ? 'CISA_BOD_2604' : null,
});
const directives = 'https://www.cisa.gov/news-events/directives';

/** As the gateway lists them. */
export const standards = [
  info('OWN', 'own rules', 'the organization’s own rules', null, true),
  info('CISA_BOD_2604', 'CISA BOD 26-04', 'Prioritizing Security Updates Based on Risk, Table 1', `${directives}/bod-26-04-prioritizing-security-updates-based-risk`, false),
  info('CISA_BOD_2201', 'CISA BOD 22-01', 'Reducing the Significant Risk of Known Exploited Vulnerabilities', `${directives}/bod-22-01-reducing-significant-risk-known-exploited-vulnerabilities`, false, '2026-06-10'),
  info('PCI_DSS_401', 'PCI DSS 4.0.1, 6.3.3', 'Protection from known vulnerabilities by installing security updates', 'https://www.pcisecuritystandards.org/document_library/', false),
];

const points = { KEV: 50, RANSOMWARE: 5, EPSS: 20, CVSS: 10, SSVC: 5, EXPOSURE: 5, CRITICALITY: 5 };
const inputError = (message: string) => ({ __typename: 'InputError', code: 'BAD_USER_INPUT', message, path: ['input'] });

export interface Said {
  id: string;
  idempotencyKey: string;
  name: string;
  standard: string;
  isFollowed?: boolean;
  rules?: Record<string, unknown>[];
}

type Stored = ReturnType<Baselines['said']> & { id: string; etag: string; archivedAt: string | null };

/** What one organization follows and how it counts. */
export class Baselines {
  readonly all: Stored[] = [];
  version = 0;
  weights = Object.entries(points).map(([kind, most]) => ({ kind, points: most }));

  constructor(private readonly fresh: (prefix: string) => string) {}

  said({ name, standard, isFollowed, rules }: Said) {
    const none = { severities: [], isKnownExploited: null, isExposed: null, labels: [], clockStart: 'FIRST_SEEN' };
    return {
      __typename: 'Baseline', name, isFollowed: isFollowed ?? true, group: null, standard: standards.find((one) => one.standard === standard) ?? standards[0],
      rules: (rules ?? []).map((rule) => ({ ...none, ...rule })),
    };
  }

  create(input: Said) {
    if (this.all.some((one) => one.name === input.name && !one.archivedAt)) return { baseline: null, userErrors: [inputError('this name is taken; choose another one')] };
    const baseline = { ...this.said(input), id: this.fresh('baseline'), etag: '1', archivedAt: null };
    this.all.push(baseline);
    return { baseline, userErrors: [] };
  }

  change(id: string, part: Partial<Stored>) {
    const found = this.all.find((one) => one.id === id);
    if (!found) return { baseline: null, userErrors: [inputError('baseline not found')] };
    Object.assign(found, part, { etag: String(Number(found.etag) + 1) });
    return { baseline: found, userErrors: [] };
  }

  update = (input: Said) => this.change(input.id, this.said(input));

  archive = ({ id }: Said) => this.change(id, { archivedAt: new Date().toISOString(), isFollowed: false });

  held = () => ({ version: this.version, etag: String(this.version), weights: this.weights, changedAt: null, changedBy: null });

  weigh(weights: { kind: string; points: number }[]) {
    const sum = weights.reduce((all, one) => all + one.points, 0);
    if (sum !== 100) return { riskWeights: null, userErrors: [inputError(`the weights add up to ${sum}; they must add up to 100`)] };
    this.weights = weights;
    this.version += 1;
    return { riskWeights: this.held(), userErrors: [] };
  }
}
