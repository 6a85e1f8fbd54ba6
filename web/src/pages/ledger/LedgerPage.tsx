import { getRouteApi, Link } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { DataTable } from '../../ui/DataTable.tsx';
import { Empty } from '../../ui/Empty.tsx';
import { Filters, TextFilter } from '../../ui/Filters.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Page } from '../../ui/Page.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { useEntryColumns } from './columns.tsx';
import { EntryProof } from './EntryProof.tsx';
import { HeadPanel } from './HeadPanel.tsx';
import { LedgerQuery } from './queries.ts';

const route = getRouteApi('/signed-in/o/$org/ledger');

/** Has the record been altered? */
export function LedgerPage() {
  const text = useText();
  const { id } = useOrganization();
  const { after, action, subject, entry } = route.useSearch();
  const navigate = route.useNavigate();
  const filter = { ...(action ? { action: [action] } : {}), ...(subject ? { subject } : {}) };
  const [state, ask] = useQuery({ query: LedgerQuery, variables: { id, after: after ?? null, filter } });
  const open = (wanted: string | undefined) => void navigate({ search: (before) => ({ ...before, entry: wanted }), resetScroll: false });
  const columns = useEntryColumns(entry, open);
  const isFiltered = Boolean(action ?? subject);
  return (
    <Page title={text('ledger.title')} question={text('ledger.question')} acts={<PackLink />}>
      <HeadPanel />
      <Filters onClear={isFiltered ? () => void navigate({ search: {} }) : undefined}>
        <TextFilter label={text('ledger.action')} value={action} onChange={(value) => void navigate({ search: { action: value, subject } })} />
        <TextFilter label={text('ledger.subject')} value={subject} onChange={(value) => void navigate({ search: { action, subject: value } })} />
      </Filters>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ organization }) => {
          const ledger = organization?.ledger;
          const rows = ledger?.nodes ?? [];
          if (rows.length === 0) {
            return <Empty title={text(isFiltered ? 'empty.nomatch.title' : 'ledger.empty.title')} body={text(isFiltered ? 'empty.nomatch.body' : 'ledger.empty.body')} />;
          }
          return (
            <>
              <Pager
                shown={rows.length}
                count={ledger?.totalCount}
                after={after}
                next={ledger?.pageInfo.hasNextPage ? ledger.pageInfo.endCursor : null}
                onPage={(next) => void navigate({ search: (before) => ({ ...before, after: next }) })}
              />
              {entry ? <EntryProof key={entry} id={entry} onClose={() => open(undefined)} /> : null}
              <DataTable caption={text('ledger.entries')} rows={rows} columns={columns} rowId={(row) => row.id} rowName={(row) => row.sequence} total={ledger?.totalCount?.value} />
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

function PackLink() {
  const text = useText();
  const { slug } = useOrganization();
  return (
    <Link className="np-link" to="/o/$org/reports" params={{ org: slug }}>
      {text('ledger.pack')}
    </Link>
  );
}
