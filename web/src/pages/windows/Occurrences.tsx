import { useText } from '../../i18n/text.ts';
import { Mark } from '../../ui/Mark.tsx';
import { useNow } from '../../ui/now.ts';
import { Moment } from '../../ui/Time.tsx';

/** The next occurrences in the window's time and in the viewer's, side by side. */
export function Occurrences({ starts, zone, name }: { starts: readonly string[]; zone: string | null; name: string }) {
  const text = useText();
  const now = useNow();
  if (starts.length === 0) return text('windows.next.none');
  return (
    <table className="np-sum" aria-label={`${name}: ${text('windows.next')}`}>
      <thead>
        <tr>
          <th scope="col" style={{ textAlign: 'left', paddingRight: '1.5rem' }}>
            {zone ?? text('windows.next.utc')}
          </th>
          <th scope="col" style={{ textAlign: 'left' }}>
            {text('windows.next.viewer')}
          </th>
        </tr>
      </thead>
      <tbody>
        {starts.map((start) => (
          <tr key={start}>
            <td style={{ paddingRight: '1.5rem' }}>
              <Moment at={start} zone={zone ?? 'UTC'} />
            </td>
            <td>
              <Moment at={start} /> {Date.parse(start) <= now ? <Mark tone="live">{text('windows.open')}</Mark> : null}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
