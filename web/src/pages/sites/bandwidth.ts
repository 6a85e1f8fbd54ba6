/** Days of the week as the API names them. */
export const weekdays = ['MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT', 'SUN'] as const;
export type Weekday = (typeof weekdays)[number];

/** Some hours of the week with their limit, as a person fills them in; megabits per second as text, empty: no limit. */
export interface RuleDraft {
  /** Among the rules of the draft. */
  id: number;
  days: readonly Weekday[];
  /** `08:00` */
  from: string;
  /** `18:00`; not behind `from`: on the next day. */
  until: string;
  mbit: string;
}

/** What a site's line may carry, as a person fills it in. */
export interface Draft {
  mbit: string;
  rules: readonly RuleDraft[];
}

/** What a site's line may carry, as the API says it. */
export interface Bandwidth {
  kilobitsPerSecond: number | null;
  rules: readonly { hours: { days: readonly Weekday[]; from: string; until: string }; kilobitsPerSecond: number | null }[];
}

/** Office hours, which is when the line is wanted for other things. */
export const officeHours: RuleDraft = { id: 0, days: weekdays.slice(0, 5), from: '08:00', until: '18:00', mbit: '10' };

const mbitOf = (kilobits: number | null) => (kilobits === null ? '' : String(kilobits / 1000));
const kilobitsOf = (mbit: string) => (mbit.trim() === '' ? null : Math.round(Number(mbit) * 1000));

/** What is in force, to be changed. */
export function draftOf(bandwidth: Bandwidth): Draft {
  return {
    mbit: mbitOf(bandwidth.kilobitsPerSecond),
    rules: bandwidth.rules.map(({ hours, kilobitsPerSecond }, id) => ({ id, ...hours, mbit: mbitOf(kilobitsPerSecond) })),
  };
}

/** With one rule more. */
export function withHours(draft: Draft): Draft {
  const id = Math.max(-1, ...draft.rules.map((rule) => rule.id)) + 1;
  return { ...draft, rules: [...draft.rules, { ...officeHours, id }] };
}

/** What the API takes. */
export function inputOf(draft: Draft) {
  return {
    kilobitsPerSecond: kilobitsOf(draft.mbit),
    rules: draft.rules.map(({ days, from, until, mbit }) => ({ hours: { days: [...days], from, until }, kilobitsPerSecond: kilobitsOf(mbit) })),
  };
}

const isRate = (mbit: string) => {
  const kilobits = kilobitsOf(mbit);
  return kilobits === null || (kilobits >= 64 && kilobits <= 100_000_000);
};

/** Whether the platform will take it. */
export function isReady(draft: Draft) {
  const isRule = (rule: RuleDraft) => rule.days.length > 0 && rule.from !== '' && rule.until !== '' && isRate(rule.mbit);
  return isRate(draft.mbit) && draft.rules.length <= 50 && draft.rules.every(isRule);
}

/** Days that follow each other in one run, the others one by one: `MON`–`FRI` is a pair. */
export function runsOf(days: readonly Weekday[]): [Weekday, Weekday][] {
  const runs: [Weekday, Weekday][] = [];
  for (const day of weekdays.filter((one) => days.includes(one))) {
    const last = runs.at(-1);
    if (last && weekdays.indexOf(last[1]) + 1 === weekdays.indexOf(day)) last[1] = day;
    else runs.push([day, day]);
  }
  return runs;
}
