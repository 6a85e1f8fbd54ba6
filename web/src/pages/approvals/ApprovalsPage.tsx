import { Tabs } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { useScope } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { DataTable } from '../../ui/DataTable.tsx';
import { Empty } from '../../ui/Empty.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Page } from '../../ui/Page.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { ApprovalPanel } from './ApprovalPanel.tsx';
import { useApprovalColumns } from './columns.tsx';
import { ApprovalsQuery } from './queries.ts';

const route = getRouteApi('/signed-in/o/$org/approvals');
const tabs = ['waiting', 'decided'] as const;
const decided = ['APPROVED', 'DECLINED', 'DEFERRED', 'BANNED', 'EXPIRED'] as const;

/** What waits for me? */
export function ApprovalsPage() {
  const text = useText();
  const scope = useScope();
  const { tab = 'waiting', after, approval, patch } = route.useSearch();
  const navigate = route.useNavigate();
  const filter = {
    ...scope,
    status: tab === 'waiting' ? (['AWAITING'] as const) : decided,
    ...(patch ? { patchIds: [patch] } : {}),
  };
  const [state, ask] = useQuery({ query: ApprovalsQuery, variables: { after: after ?? null, filter: { ...filter, status: [...filter.status] } } });
  const open = (wanted: string | undefined) => void navigate({ search: (before) => ({ ...before, approval: wanted }), resetScroll: false });
  const columns = useApprovalColumns(approval, open);

  return (
    <Page title={text('approvals.title')} question={text('approvals.question')}>
      <Tabs value={tab} onChange={(value) => void navigate({ search: { tab: tabs.find((one) => one === value), patch } })}>
        <Tabs.List aria-label={text('approvals.tab')}>
          {tabs.map((one) => (
            <Tabs.Tab key={one} value={one}>
              {text(`approvals.${one}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {tabs.map((one) => (
          <Tabs.Panel key={one} value={one} pt="md">
            {one === tab ? (
              <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
                {({ approvals }) => {
                  const rows = approvals?.nodes ?? [];
                  if (rows.length === 0) return <Empty title={text(tab === 'waiting' ? 'approvals.empty.title' : 'approvals.empty.decided.title')} body={text('approvals.empty.body')} />;
                  return (
                    <>
                      <Pager
                        shown={rows.length}
                        count={approvals?.totalCount}
                        after={after}
                        next={approvals?.pageInfo.hasNextPage ? approvals.pageInfo.endCursor : null}
                        onPage={(next) => void navigate({ search: (before) => ({ ...before, after: next }) })}
                      />
                      <DataTable caption={text('approvals.title')} rows={rows} columns={columns} rowId={(row) => row.id} rowName={(row) => row.title} total={approvals?.totalCount?.value} />
                    </>
                  );
                }}
              </Loaded>
            ) : null}
          </Tabs.Panel>
        ))}
      </Tabs>
      {approval ? <ApprovalPanel key={approval} id={approval} onClose={() => open(undefined)} /> : null}
    </Page>
  );
}
