import { useText } from '../../i18n/text.ts';
import { runsOf, type Hours, type Weekday } from './bandwidth.ts';

/** Days of the week in few words: `Mon–Fri`. */
export function useDays() {
  const text = useText();
  const day = (one: Weekday) => text(`weekday.short.${one}`);
  return (hours: Hours) =>
    runsOf(hours.days)
      .map(([first, last]) => (first === last ? day(first) : `${day(first)}–${day(last)}`))
      .join(', ');
}
