/** What a rule may decide. */
export const decisions = ['APPROVE', 'REQUIRE_APPROVALS', 'DEFER', 'BLOCK'] as const;
export const classifications = ['CRITICAL', 'SECURITY', 'UPDATE', 'FEATURE', 'DRIVER', 'FIRMWARE'] as const;
export const ruleSeverities = ['CRITICAL', 'HIGH', 'UNKNOWN', 'MEDIUM', 'LOW'] as const;

/** A rule as a person fills it in; an empty condition fits everything. */
export interface RuleDraft {
  key: number;
  name: string;
  classifications: (typeof classifications)[number][];
  severities: (typeof ruleSeverities)[number][];
  isExploited: boolean;
  packages: string;
  decision: (typeof decisions)[number];
  approvals: number;
  deferDays: number;
}

/** A policy as a person fills it in. */
export interface Draft {
  name: string;
  isAutomatic: boolean;
  group: string;
  windows: readonly string[];
  rules: readonly RuleDraft[];
  waves: string;
  minSuccessPercent: number;
  maxFailed: number;
  soakMinutes: number;
  requiresRollback: boolean;
  rebootsInWindow: boolean;
}

let lastKey = 0;

/** A rule that fits everything and leaves it to a person. */
export function newRule(name: string): RuleDraft {
  lastKey += 1;
  return { key: lastKey, name, classifications: [], severities: [], isExploited: false, packages: '', decision: 'REQUIRE_APPROVALS', approvals: 1, deferDays: 7 };
}

/** Careful: security by itself, the rest by a person; one host, a tenth, then the others, each after an hour. */
export function newDraft(securityName: string): Draft {
  const security: RuleDraft = { ...newRule(securityName), classifications: ['CRITICAL', 'SECURITY'], decision: 'APPROVE' };
  return {
    name: '', isAutomatic: false, group: '', windows: [], rules: [security], waves: '1, 10%, 100%', minSuccessPercent: 95, maxFailed: 0, soakMinutes: 60, requiresRollback: false, rebootsInWindow: false,
  };
}

/** `1, 10%, 100%` as the API takes it; null: it is no list of sizes. */
export function readWaves(typed: string): ({ hosts: number } | { percent: number })[] | null {
  const waves = typed.split(/[\s,]+/).filter(Boolean).map((one) => {
    const parts = /^(\d{1,6})(%?)$/.exec(one);
    const size = Number(parts?.[1] ?? 0);
    if (!parts || size < 1 || (parts[2] && size > 100)) return null;
    return parts[2] ? { percent: size } : { hosts: size };
  });
  return waves.length > 0 && waves.length <= 20 && waves.every((one) => one !== null) ? waves : null;
}

/** A rule as the API takes it. */
export function ruleInput(rule: RuleDraft) {
  const packages = rule.packages.split(/[\s,]+/).filter(Boolean);
  return {
    name: rule.name.trim(),
    decision: rule.decision,
    classifications: rule.classifications,
    severities: rule.severities,
    packages,
    ...(rule.isExploited ? { isKnownExploited: true } : {}),
    ...(rule.decision === 'REQUIRE_APPROVALS' ? { requiredApprovals: rule.approvals } : {}),
    ...(rule.decision === 'DEFER' ? { deferSeconds: rule.deferDays * 86_400 } : {}),
  };
}
