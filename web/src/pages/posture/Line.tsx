import { useIntl } from 'react-intl';

interface Point {
  id: string;
  at: string;
  share: number | null;
}

const width = 640;
const height = 150;
const left = 44;
const bottom = 22;

/** A line of shares between 0 and 1 over time, drawn with the colour of the text. */
export function Line({ points, label }: { points: readonly Point[]; label: string }) {
  const intl = useIntl();
  const percent = (value: number) => intl.formatNumber(value, { style: 'percent' });
  const times = points.map((point) => Date.parse(point.at));
  const [start, end] = [Math.min(...times), Math.max(...times)];
  const x = (at: string) => left + ((Date.parse(at) - start) / Math.max(1, end - start)) * (width - left - 8);
  const y = (share: number) => 8 + (1 - share) * (height - bottom - 8);
  const path = points.map((point, at) => `${at === 0 ? 'M' : 'L'}${x(point.at).toFixed(1)} ${y(point.share ?? 0).toFixed(1)}`).join(' ');
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last) return null;
  const isOneDay = new Date(start).toDateString() === new Date(end).toDateString();
  const day = (at: string) => (isOneDay ? intl.formatTime(at) : intl.formatDate(at, { month: 'short', day: 'numeric' }));
  return (
    <svg viewBox={`0 0 ${width} ${height}`} width="100%" role="img" aria-label={`${label}: ${percent(first.share ?? 0)} → ${percent(last.share ?? 0)}`} style={{ maxWidth: 900 }}>
      <g fill="currentColor" fontSize="11">
        {[0, 0.5, 1].map((tick) => (
          <g key={tick}>
            <line x1={left} x2={width - 8} y1={y(tick)} y2={y(tick)} stroke="currentColor" strokeOpacity="0.25" />
            <text x={left - 6} y={y(tick) + 4} textAnchor="end">
              {percent(tick)}
            </text>
          </g>
        ))}
        <text x={left} y={height - 4}>
          {day(first.at)}
        </text>
        <text x={width - 8} y={height - 4} textAnchor="end">
          {day(last.at)}
        </text>
      </g>
      <path d={path} fill="none" stroke="currentColor" strokeWidth="2.5" />
      {points.map((point) => (
        <circle key={point.id} cx={x(point.at)} cy={y(point.share ?? 0)} r="3" fill="currentColor">
          <title>{`${day(point.at)}: ${percent(point.share ?? 0)}`}</title>
        </circle>
      ))}
    </svg>
  );
}
