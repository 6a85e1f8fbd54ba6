import { useIntl } from 'react-intl';
import { useText } from '../../i18n/text.ts';
import { readableBytes } from '../../ui/size.ts';
import type { Site } from './queries.ts';

/** What the site's relays kept off its line, and how often they had what was asked for. */
export function Saved({ traffic }: { traffic: Site['traffic'] }) {
  const text = useText();
  const intl = useIntl();
  if (!traffic || traffic.cacheHitRatio === null) return <span className="np-muted">{text('sites.saved.none')}</span>;
  const bytes = (value: string) => readableBytes(value, intl.locale);
  const ratio = intl.formatNumber(traffic.cacheHitRatio, { style: 'percent', maximumFractionDigits: 1 });
  const hit = text('sites.saved.hit', { saved: bytes(traffic.savedBytes), served: bytes(traffic.bytesServed), ratio });
  const deltas = traffic.deltaSavedBytes === '0' ? '' : `; ${text('sites.saved.deltas', { saved: bytes(traffic.deltaSavedBytes) })}`;
  const stored = traffic.storedPayloads === 0 ? '' : `; ${text('sites.saved.stored', { count: traffic.storedPayloads })}`;
  return <span>{hit + deltas + stored}</span>;
}
