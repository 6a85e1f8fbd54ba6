/** Days of the week as the API names them. */
export const weekdays = ['MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT', 'SUN'] as const;
export type Weekday = (typeof weekdays)[number];

/** Some hours of the week, as a person fills them in. */
export interface HoursDraft {
  /** Among those of the draft. */
  id: number;
  days: readonly Weekday[];
  /** `08:00` */
  from: string;
  /** `18:00`; not behind `from`: on the next day. */
  until: string;
}

/** Hours with their limit: megabits per second as text, empty: no limit. */
export interface RuleDraft extends HoursDraft {
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

/** What the next one of a draft is called. */
const nextId = (all: readonly HoursDraft[]) => Math.max(-1, ...all.map((one) => one.id)) + 1;

/** With one rule more. */
export function withHours(draft: Draft): Draft {
  const id = nextId(draft.rules);
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

/** Hours of the week, as the API says them. */
export type Hours = Bandwidth['rules'][number]['hours'];

/** Nights, when nobody else wants the line. */
const nights: Hours = { days: weekdays, from: '20:00', until: '06:00' };

/** What is in force, to be changed. */
export const hoursDraftOf = (all: readonly Hours[]): HoursDraft[] => all.map((hours, id) => ({ id, ...hours }));

/** With nights more. */
export const withNights = (all: readonly HoursDraft[]): HoursDraft[] => [...all, { id: nextId(all), ...nights }];

/** What the API takes. */
export const hoursInputOf = (all: readonly HoursDraft[]) => all.map(({ days, from, until }) => ({ days: [...days], from, until }));

/** Whether the platform will take these hours. */
export const areHours = (all: readonly HoursDraft[]) => all.length <= 50 && all.every((one) => one.days.length > 0 && one.from !== '' && one.until !== '');

/** Whether the platform will take it. */
export function isReady(draft: Draft) {
  return isRate(draft.mbit) && areHours(draft.rules) && draft.rules.every((rule) => isRate(rule.mbit));
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
