/** Severities as a person fills their days in, worst first. */
export const draftSeverities = ['CRITICAL', 'HIGH', 'UNKNOWN', 'MEDIUM', 'LOW'] as const;

/** An own baseline as a person fills it in: days for what is exploited, and for each severity. */
export interface Draft {
  exploited: number;
  days: Record<(typeof draftSeverities)[number], number>;
}

/** Careful, and no promise that nobody could keep. */
export const usualDraft: Draft = { exploited: 3, days: { CRITICAL: 7, HIGH: 14, UNKNOWN: 30, MEDIUM: 60, LOW: 90 } };

/** Days that a rule may give. */
export const isDays = (days: number) => Number.isInteger(days) && days >= 0 && days <= 3650;

/** Whether the baseline can be made. */
export function isReady(draft: Draft) {
  return isDays(draft.exploited) && draftSeverities.every((severity) => isDays(draft.days[severity]));
}

/** The rules as the API takes them; the last one holds for everything, so that no finding is without a date. */
export function ruleInputs(draft: Draft, exploitedName: string, nameOf: (severity: string) => string) {
  const last = draftSeverities.at(-1);
  return [
    { name: exploitedName, isKnownExploited: true, withinDays: draft.exploited },
    ...draftSeverities.map((severity) => ({
      name: nameOf(severity),
      withinDays: draft.days[severity],
      ...(severity === last ? {} : { severities: [severity] }),
    })),
  ];
}

/** Points add up to 100, each of them 0 to 100. */
export function sumOf(weights: readonly { points: number }[]) {
  return weights.reduce((sum, { points }) => sum + (Number.isInteger(points) && points >= 0 ? points : Number.NaN), 0);
}
