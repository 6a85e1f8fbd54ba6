import { Button } from '@mantine/core';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { graphql, type ResultOf } from '../../api/graphql.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Empty } from '../../ui/Empty.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Mark } from '../../ui/Mark.tsx';
import { Facts, Page, Panel } from '../../ui/Page.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { readableDuration } from '../../ui/size.ts';
import { Occurrences } from './Occurrences.tsx';
import { readableRule } from './rule.ts';

const route = getRouteApi('/signed-in/o/$org/windows');

const WindowsQuery = graphql(`
  query Windows($id: ID!, $after: String) {
    windows(organizationId: $id, first: 25, after: $after) {
      totalCount { value display }
      pageInfo { hasNextPage endCursor }
      nodes { id name rrule startsAt duration offsetDays timeZone isBlackout nextStarts(count: 5) }
    }
  }
`);

type Window = NonNullable<ResultOf<typeof WindowsQuery>['windows']>['nodes'][number];

/** When may hosts change and reboot? */
export function WindowsPage() {
  const text = useText();
  const { id, slug } = useOrganization();
  const { after } = route.useSearch();
  const navigate = route.useNavigate();
  const [state, ask] = useQuery({ query: WindowsQuery, variables: { id, after: after ?? null } });
  const add = <Button renderRoot={(props: object) => <Link {...props} to="/o/$org/windows/new" params={{ org: slug }} />}>{text('windows.new')}</Button>;
  return (
    <Page title={text('windows.title')} question={text('windows.question')} acts={add}>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ windows }) => {
          const rows = windows?.nodes ?? [];
          if (rows.length === 0) return <Empty title={text('windows.empty.title')} body={text('windows.empty.body')} act={add} />;
          return (
            <>
              <Pager
                shown={rows.length}
                count={windows?.totalCount}
                after={after}
                next={windows?.pageInfo.hasNextPage ? windows.pageInfo.endCursor : null}
                onPage={(next) => void navigate({ search: { after: next } })}
              />
              {rows.map((window) => (
                <WindowPanel key={window.id} window={window} />
              ))}
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

function WindowPanel({ window }: { window: Window }) {
  const text = useText();
  const kind = <Mark tone={window.isBlackout ? 'bad' : 'good'}>{text(window.isBlackout ? 'windows.kind.blackout' : 'windows.kind.window')}</Mark>;
  const offset = window.offsetDays === 0 ? '' : `, ${text('windows.offset', { days: window.offsetDays })}`;
  return (
    <Panel title={window.name} id={`window-${window.id}`} acts={kind}>
      <Facts
        rows={[
          [text('windows.recurs'), <span key="rule" title={window.rrule}>{`${readableRule(window.rrule)}${offset}`}</span>],
          [text('windows.starts'), window.startsAt.slice(11, 16)],
          [text('windows.lasts'), readableDuration(window.duration)],
          [text('windows.zone'), window.timeZone ?? text('windows.zone.own')],
          [text('windows.next'), <Occurrences key="next" starts={window.nextStarts ?? []} zone={window.timeZone} name={window.name} />],
        ]}
      />
    </Panel>
  );
}
