const days: Record<string, string> = { MO: 'Monday', TU: 'Tuesday', WE: 'Wednesday', TH: 'Thursday', FR: 'Friday', SA: 'Saturday', SU: 'Sunday' };
const ordinals: Record<string, string> = { 1: 'first', 2: 'second', 3: 'third', 4: 'fourth', 5: 'fifth', '-1': 'last' };
const known = new Set(['FREQ', 'BYDAY', 'INTERVAL', 'BYMONTHDAY', 'WKST']);
const every: Record<string, string> = { DAILY: 'day', WEEKLY: 'week', MONTHLY: 'month', YEARLY: 'year' };

function day(code: string): string | null {
  const parts = /^(-?\d)?([A-Z]{2})$/.exec(code);
  const name = days[parts?.[2] ?? ''];
  if (!parts || !name) return null;
  return parts[1] ? `${ordinals[parts[1]] ?? `${parts[1]}.`} ${name}` : name;
}

/**
 * A recurrence rule (RFC 5545) in words, where it is one of the common ones; otherwise the rule itself, so that
 * nothing is said that might be wrong.
 */
export function readableRule(rule: string): string {
  const parts = new Map(rule.split(';').map((part) => part.split('=', 2) as [string, string]));
  const unit = every[parts.get('FREQ') ?? ''];
  if (!unit || [...parts.keys()].some((key) => !known.has(key))) return rule;
  const interval = parts.get('INTERVAL') ?? '1';
  const words = [interval === '1' ? `every ${unit}` : `every ${interval} ${unit}s`];
  const byDay = parts.get('BYDAY')?.split(',').map(day);
  if (byDay?.some((one) => one === null)) return rule;
  if (byDay) words.push(`on ${byDay.join(', ')}`);
  const byMonthDay = parts.get('BYMONTHDAY');
  if (byMonthDay) words.push(`on day ${byMonthDay}`);
  return words.join(' ');
}
