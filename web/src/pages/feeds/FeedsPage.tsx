import { useMemo } from 'react';
import { useIntl } from 'react-intl';
import { useQuery } from 'urql';
import { useText } from '../../i18n/text.ts';
import { DataTable, type Column } from '../../ui/DataTable.tsx';
import { Empty } from '../../ui/Empty.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Mark } from '../../ui/Mark.tsx';
import { Page } from '../../ui/Page.tsx';
import { Ago, Moment } from '../../ui/Time.tsx';
import { FeedsQuery, type Feed } from './queries.ts';

/** Where do the advisories come from, how old are they, and what do they not say? */
export function FeedsPage() {
  const text = useText();
  const [state, ask] = useQuery({ query: FeedsQuery });
  const columns = useColumns();
  return (
    <Page title={text('feeds.title')} question={text('feeds.question')}>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ feeds }) =>
          feeds?.length ? (
            <DataTable caption={text('feeds.title')} rows={feeds} columns={columns} rowId={(row) => row.name} rowName={(row) => row.name} total={feeds.length} />
          ) : (
            <Empty title={text('feeds.empty.title')} body={text('feeds.empty.body')} />
          )
        }
      </Loaded>
    </Page>
  );
}

function useColumns(): Column<Feed>[] {
  const text = useText();
  const intl = useIntl();
  return useMemo(
    () => [
      {
        id: 'name',
        header: text('feeds.name'),
        cell: ({ name, licence }) => (
          <>
            {name}
            <br />
            <span className="np-muted" style={{ fontWeight: 400 }}>
              {licence}
            </span>
          </>
        ),
      },
      { id: 'state', header: text('feeds.state'), cell: (feed) => <State feed={feed} /> },
      {
        id: 'records',
        header: text('feeds.records'),
        cell: ({ records, skipped }) => (
          <>
            {intl.formatNumber(records)}
            {skipped > 0 ? (
              <>
                <br />
                <span className="np-muted">{text('feeds.records.skipped', { count: skipped })}</span>
              </>
            ) : null}
          </>
        ),
      },
      { id: 'asof', header: text('feeds.asof'), cell: ({ dataAsOf }) => (dataAsOf ? <Moment at={dataAsOf} /> : text('unknown.value')) },
      { id: 'imported', header: text('feeds.imported'), cell: ({ importedAt }) => (importedAt ? <Ago at={importedAt} /> : text('unknown.value')) },
      { id: 'fetched', header: text('feeds.fetched'), cell: ({ source, fetchedAt }) => (source && fetchedAt ? <Ago at={fetchedAt} /> : text('feeds.pack')) },
      { id: 'limits', header: text('feeds.limits'), cell: ({ limits }) => limits },
    ],
    [intl, text],
  );
}

/** Whether it is current, and if not, why and what to do. */
function State({ feed: { name, problem, waitingFor, canary } }: { feed: Feed }) {
  const text = useText();
  const found =
    canary && !canary.isFirst
      ? text('feeds.canary', { affected: canary.newlyAffected, cleared: canary.cleared, components: canary.components, manifests: canary.manifests })
      : null;
  if (waitingFor) {
    return (
      <>
        <Mark tone="bad">{text('feeds.state.waiting')}</Mark>
        <br />
        {waitingFor}
        {found ? <div className="np-muted">{found}</div> : null}
        <div className="np-muted">{text('feeds.accept', { name })}</div>
      </>
    );
  }
  return (
    <>
      {problem ? <Mark tone="wait">{text('feeds.state.problem')}</Mark> : <Mark tone="good">{text('feeds.state.current')}</Mark>}
      {problem ? <div className="np-muted">{problem}</div> : null}
      {found ? <div className="np-muted">{found}</div> : null}
    </>
  );
}
