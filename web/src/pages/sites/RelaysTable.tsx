import { useMemo } from 'react';
import { useIntl } from 'react-intl';
import { useText } from '../../i18n/text.ts';
import { DataTable, type Column } from '../../ui/DataTable.tsx';
import { readableBytes } from '../../ui/size.ts';
import { Status } from '../../ui/status.tsx';
import { Ago } from '../../ui/Time.tsx';
import type { Relay } from './queries.ts';
import { saved } from './saved.ts';

/** Relays with what they saved on the uplink. */
export function RelaysTable({ relays, site }: { relays: readonly Relay[]; site: string }) {
  const text = useText();
  const intl = useIntl();
  const columns = useMemo<Column<Relay>[]>(() => {
    const bytes = (value: string | null) => readableBytes(value, intl.locale);
    return [
      { id: 'name', header: text('relay.name'), cell: (relay) => relay.name },
      { id: 'status', header: text('relay.status'), cell: (relay) => <Status of="relay" value={relay.status} /> },
      { id: 'seen', header: text('relay.seen'), cell: (relay) => <Ago at={relay.lastSeenAt} /> },
      { id: 'sessions', header: text('relay.sessions'), isNumber: true, cell: (relay) => relay.sessions ?? '–' },
      {
        id: 'hit',
        header: text('relay.hit'),
        isNumber: true,
        cell: (relay) => (relay.cacheHitRatio === null ? '–' : intl.formatNumber(relay.cacheHitRatio, { style: 'percent', maximumFractionDigits: 1 })),
      },
      { id: 'saved', header: text('relay.saved'), isNumber: true, cell: (relay) => bytes(saved(relay.bytesServed, relay.bytesFetched)) },
      { id: 'served', header: text('relay.served'), isNumber: true, cell: (relay) => bytes(relay.bytesServed) },
      { id: 'fetched', header: text('relay.fetched'), isNumber: true, cell: (relay) => bytes(relay.bytesFetched) },
      { id: 'disk', header: text('relay.disk'), isNumber: true, cell: (relay) => bytes(relay.cacheBytes) },
      { id: 'version', header: text('relay.version'), cell: (relay) => relay.version ?? '–' },
    ];
  }, [intl, text]);
  return <DataTable caption={`${site}: ${text('sites.relays')}`} rows={relays} columns={columns} rowId={(relay) => relay.id} rowName={(relay) => relay.name} />;
}
