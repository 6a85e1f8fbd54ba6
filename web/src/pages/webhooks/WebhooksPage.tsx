import { Button } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { DataTable } from '../../ui/DataTable.tsx';
import { Empty } from '../../ui/Empty.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Page } from '../../ui/Page.tsx';
import { useWebhookColumns } from './columns.tsx';
import { Deliveries } from './Deliveries.tsx';
import { WebhooksQuery } from './queries.ts';

const NewWebhook = lazy(() => import('./NewWebhook.tsx').then((module) => ({ default: module.NewWebhook })));
const route = getRouteApi('/signed-in/o/$org/webhooks');

/** Who was told? */
export function WebhooksPage() {
  const text = useText();
  const { id } = useOrganization();
  const { webhook, make } = route.useSearch();
  const navigate = route.useNavigate();
  const [state, ask] = useQuery({ query: WebhooksQuery, variables: { id } });
  const open = (wanted: string | undefined) => void navigate({ search: { webhook: wanted }, resetScroll: false });
  const columns = useWebhookColumns(webhook, open);
  const setMaking = (isOn: boolean) => void navigate({ search: (before) => ({ ...before, make: isOn || undefined }), resetScroll: false });
  const add = <Button onClick={() => setMaking(true)}>{text('webhooks.new')}</Button>;
  return (
    <Page title={text('webhooks.title')} question={text('webhooks.question')} acts={add}>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ organization }) => {
          const rows = organization?.webhooks ?? [];
          if (rows.length === 0) return <Empty title={text('webhooks.empty.title')} body={text('webhooks.empty.body')} act={add} />;
          return (
            <>
              <DataTable caption={text('webhooks.title')} rows={rows} columns={columns} rowId={(row) => row.id} rowName={(row) => row.url} total={rows.length} />
              {webhook && rows.some((row) => row.id === webhook) ? <Deliveries key={webhook} id={webhook} onGone={() => open(undefined)} /> : null}
            </>
          );
        }}
      </Loaded>
      <Suspense fallback={null}>{make ? <NewWebhook onClose={() => setMaking(false)} /> : null}</Suspense>
    </Page>
  );
}
