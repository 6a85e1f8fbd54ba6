/** Days of the week as RFC 5545 writes them. */
export const weekdays = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'] as const;
export type Weekday = (typeof weekdays)[number];

/** How often; `rule` is for whoever writes the recurrence rule themselves. */
export const cadences = ['day', 'week', 'month', 'rule'] as const;
export type Cadence = (typeof cadences)[number];

/** Which one of the month; -1 is the last. */
export const ordinals = ['1', '2', '3', '4', '-1'] as const;

/** A window as a person fills it in. */
export interface Draft {
  name: string;
  isBlackout: boolean;
  cadence: Cadence;
  days: readonly Weekday[];
  ordinal: (typeof ordinals)[number];
  weekday: Weekday;
  offsetDays: number;
  rule: string;
  /** `2026-11-30` */
  date: string;
  /** `22:00` */
  time: string;
  minutes: number;
  /** Empty: each host's own. */
  zone: string;
}

/** Tuesday evening of next week's kind of start: every week, four hours, each host's own time. */
export function newDraft(today: Date): Draft {
  const date = `${today.getFullYear()}-${String(today.getMonth() + 1).padStart(2, '0')}-${String(today.getDate()).padStart(2, '0')}`;
  return { name: '', isBlackout: false, cadence: 'week', days: ['TU'], ordinal: '2', weekday: 'TU', offsetDays: 0, rule: 'FREQ=DAILY', date, time: '22:00', minutes: 240, zone: '' };
}

/** The recurrence rule of a draft. */
export function ruleOf(draft: Draft): string {
  if (draft.cadence === 'day') return 'FREQ=DAILY';
  if (draft.cadence === 'week') return `FREQ=WEEKLY;BYDAY=${draft.days.join(',')}`;
  if (draft.cadence === 'month') return `FREQ=MONTHLY;BYDAY=${draft.ordinal}${draft.weekday}`;
  return draft.rule.trim();
}

/** `PT4H30M` */
function duration(minutes: number): string {
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  return `PT${hours > 0 ? `${hours}H` : ''}${rest > 0 ? `${rest}M` : ''}`;
}

/** What the API takes of it, or null while something is missing. */
export function recurrence(draft: Draft) {
  const isComplete = /^\d{4}-\d\d-\d\d$/.test(draft.date) && /^\d\d:\d\d$/.test(draft.time) && draft.minutes > 0 && (draft.cadence !== 'week' || draft.days.length > 0) && ruleOf(draft) !== '';
  if (!isComplete) return null;
  return { rrule: ruleOf(draft), startsAt: `${draft.date}T${draft.time}:00`, duration: duration(draft.minutes), offsetDays: draft.cadence === 'month' ? draft.offsetDays : 0 };
}
