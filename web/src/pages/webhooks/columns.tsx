import { Button } from '@mantine/core';
import { useMemo } from 'react';
import { useText } from '../../i18n/text.ts';
import type { Column } from '../../ui/DataTable.tsx';
import { Mark } from '../../ui/Mark.tsx';
import { Ago, Moment } from '../../ui/Time.tsx';
import type { Webhook } from './queries.ts';
import { Standing } from './Standing.tsx';

/** The columns of the endpoints. */
export function useWebhookColumns(shown: string | undefined, open: (id: string | undefined) => void): Column<Webhook>[] {
  const text = useText();
  return useMemo(
    () => [
      { id: 'url', header: text('webhooks.url'), cell: (row) => <span className="np-break">{row.url}</span> },
      { id: 'events', header: text('webhooks.events'), cell: (row) => (row.events.length > 0 ? row.events.join(', ') : text('webhooks.events.all')) },
      {
        id: 'state',
        header: text('filter.status'),
        cell: (row) => (row.disabledReason === null ? <Mark tone="good">{text('webhooks.on')}</Mark> : <><Mark tone="bad">{text('webhooks.off')}</Mark> {row.disabledReason}</>),
      },
      {
        id: 'last',
        header: text('webhooks.last'),
        cell: (row) => {
          const last = row.deliveries?.nodes[0];
          return last ? <><Ago at={last.createdAt} /> <Standing delivery={last} /></> : text('time.never');
        },
      },
      { id: 'made', header: text('webhooks.made'), cell: (row) => <Moment at={row.createdAt} /> },
      {
        id: 'open',
        header: text('webhooks.deliveries'),
        cell: (row) => (
          <Button variant="default" size="xs" aria-expanded={row.id === shown} aria-label={text('webhooks.deliveries.of', { act: text(row.id === shown ? 'webhooks.deliveries.hide' : 'webhooks.deliveries.show'), url: row.url })} onClick={() => open(row.id === shown ? undefined : row.id)}>
            {text(row.id === shown ? 'webhooks.deliveries.hide' : 'webhooks.deliveries.show')}
          </Button>
        ),
      },
    ],
    [open, shown, text],
  );
}
