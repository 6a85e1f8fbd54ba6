import { FormattedRelativeTime, useIntl } from 'react-intl';
import { useText } from '../i18n/text.ts';
import { useNow } from './now.ts';

const minute = 60;
const units = [
  { unit: 'day', seconds: 86_400 },
  { unit: 'hour', seconds: 3_600 },
  { unit: 'minute', seconds: minute },
] as const;

function distance(iso: string, now: number) {
  const seconds = Math.round((Date.parse(iso) - now) / 1000);
  for (const { unit, seconds: size } of units) {
    if (Math.abs(seconds) >= size) return { value: Math.trunc(seconds / size), unit };
  }
  return { value: Math.trunc(seconds), unit: 'second' as const };
}

/** How long ago, with the exact time in the viewer's zone and in UTC on hover and for assistive technology. */
export function Ago({ at, none }: { at: string | null | undefined; none?: string }) {
  const intl = useIntl();
  const text = useText();
  const now = useNow();
  if (!at) return <span>{none ?? text('time.never')}</span>;
  const { value, unit } = distance(at, now);
  const exact = `${intl.formatDate(at, { dateStyle: 'medium', timeStyle: 'long' })} (${at})`;
  return (
    <time dateTime={at} title={exact}>
      <FormattedRelativeTime value={value} unit={unit} numeric="auto" />
    </time>
  );
}

/** A moment in a zone; without one, in the viewer's. */
export function Moment({ at, zone }: { at: string | null | undefined; zone?: string | undefined }) {
  const intl = useIntl();
  const text = useText();
  if (!at) return <span>{text('time.none')}</span>;
  const shown = intl.formatDate(at, {
    dateStyle: 'medium',
    timeStyle: 'short',
    ...(zone ? { timeZone: zone } : {}),
  });
  return (
    <time dateTime={at} title={at}>
      {shown}
    </time>
  );
}
