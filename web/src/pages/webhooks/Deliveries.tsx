import { Button, Group, Text } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useQuery } from 'urql';
import { useChange } from '../../api/change.ts';
import { useText } from '../../i18n/text.ts';
import { DataTable, type Column } from '../../ui/DataTable.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Panel } from '../../ui/Page.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { Problem, Refusals } from '../../ui/Problem.tsx';
import { Moment } from '../../ui/Time.tsx';
import { DeleteWebhook, DeliveriesQuery, ReplayDelivery, type Delivery } from './queries.ts';
import { Standing } from './Standing.tsx';

const route = getRouteApi('/signed-in/o/$org/webhooks');

/** What an endpoint was sent; anything can be sent again, and the endpoint can be ended. */
export function Deliveries({ id, onGone }: { id: string; onGone: () => void }) {
  const text = useText();
  const { after } = route.useSearch();
  const navigate = route.useNavigate();
  const [state, ask] = useQuery({ query: DeliveriesQuery, variables: { id, after: after ?? null } });
  const refresh = () => ask({ requestPolicy: 'network-only' });
  const replay = useChange(ReplayDelivery, (data) => data.webhookReplay);
  const end = useChange(DeleteWebhook, (data) => data.webhookDelete);
  const columns = useColumns(replay.isBusy, (delivery) => void replay.run({ id: delivery }).then(refresh));
  const acts = (
    <Group gap="sm">
      <Button variant="default" size="xs" onClick={refresh}>
        {text('webhooks.refresh')}
      </Button>
      <Button variant="default" size="xs" loading={end.isBusy} onClick={() => void end.run({ id }).then((data) => (data ? onGone() : undefined))}>
        {text('webhooks.delete')}
      </Button>
    </Group>
  );
  return (
    <Panel title={text('webhooks.deliveries')} id="deliveries" acts={acts}>
      <Refusals errors={[...replay.errors, ...end.errors]} />
      {replay.error || end.error ? <Problem error={(replay.error ?? end.error) as NonNullable<typeof replay.error>} title={text('problem.act')} /> : null}
      <Loaded state={state} retry={refresh}>
        {({ node }) => {
          const deliveries = node?.__typename === 'Webhook' ? node.deliveries : undefined;
          const rows = deliveries?.nodes ?? [];
          if (rows.length === 0) return <Text className="np-muted">{text('webhooks.deliveries.none')}</Text>;
          return (
            <>
              <Pager
                shown={rows.length}
                count={deliveries?.totalCount}
                after={after}
                next={deliveries?.pageInfo.hasNextPage ? deliveries.pageInfo.endCursor : null}
                onPage={(next) => void navigate({ search: (before) => ({ ...before, after: next }), resetScroll: false })}
              />
              <DataTable caption={text('webhooks.deliveries')} rows={rows} columns={columns} rowId={(row) => row.id} rowName={(row) => row.event} total={deliveries?.totalCount?.value} />
            </>
          );
        }}
      </Loaded>
    </Panel>
  );
}

type Row = Delivery & { body: string };

function useColumns(isBusy: boolean, replay: (id: string) => void): Column<Row>[] {
  const text = useText();
  return useMemo(
    () => [
      { id: 'event', header: text('webhooks.event'), cell: (row) => row.event },
      { id: 'at', header: text('ledger.at'), cell: (row) => <Moment at={row.createdAt} /> },
      { id: 'state', header: text('filter.status'), cell: (row) => <Standing delivery={row} /> },
      { id: 'answer', header: text('webhooks.answer'), isNumber: true, cell: (row) => row.lastStatus ?? '–' },
      { id: 'tries', header: text('webhooks.tries'), isNumber: true, cell: (row) => row.attempts },
      {
        id: 'body',
        header: text('webhooks.body'),
        cell: (row) => (
          <details>
            <summary>{text('webhooks.body.show')}</summary>
            <pre className="np-mono np-body">{row.body}</pre>
          </details>
        ),
      },
      {
        id: 'replay',
        header: text('webhooks.replay'),
        cell: (row) => (
          <Button variant="default" size="xs" disabled={isBusy} onClick={() => replay(row.id)} aria-label={text('webhooks.replay.of', { event: row.event })}>
            {text('webhooks.replay')}
          </Button>
        ),
      },
    ],
    [isBusy, replay, text],
  );
}
