import { Text } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useIntl } from 'react-intl';
import { useQuery } from 'urql';
import { graphql, type ResultOf } from '../../api/graphql.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Empty } from '../../ui/Empty.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Facts, Page, Panel } from '../../ui/Page.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { SeverityMark } from '../../ui/status.tsx';
import { Moment } from '../../ui/Time.tsx';
import { FindingsTable } from '../findings/FindingsTable.tsx';
import { FindingRow } from '../findings/queries.ts';

const route = getRouteApi('/signed-in/o/$org/advisories/$advisory');

const AdvisoryQuery = graphql(
  `
    query Advisory($id: ID!, $after: String, $organization: ID!) {
      advisory(by: { id: $id }) {
        id name cves vendorRefs summary severity cvssScore cvssVector epss isKnownExploited isRansomware publishedAt feed url
        findings(first: 50, after: $after, filter: { organizationId: $organization }) {
          totalCount { value display }
          pageInfo { hasNextPage endCursor }
          nodes { ...FindingRow }
        }
      }
    }
  `,
  [FindingRow],
);

type Advisory = NonNullable<ResultOf<typeof AdvisoryQuery>['advisory']>;

/** Who is affected, and what fixes it? */
export function AdvisoryPage() {
  const text = useText();
  const { id: organization, slug } = useOrganization();
  const { advisory: id } = route.useParams();
  const { after } = route.useSearch();
  const navigate = route.useNavigate();
  const [state, ask] = useQuery({ query: AdvisoryQuery, variables: { id, after: after ?? null, organization } });
  const name = state.data?.advisory?.name;
  return (
    <Page title={name ?? text('advisory.title')} question={text('advisory.question')}>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ advisory }) =>
          advisory ? (
            <>
              <AdvisoryFacts advisory={advisory} />
              <Panel title={text('advisory.affected')} id="affected">
                <Pager
                  shown={advisory.findings?.nodes.length ?? 0}
                  count={advisory.findings?.totalCount}
                  after={after}
                  next={advisory.findings?.pageInfo.hasNextPage ? advisory.findings.pageInfo.endCursor : null}
                  onPage={(next) => void navigate({ search: { after: next } })}
                />
                <FindingsTable rows={advisory.findings?.nodes ?? []} org={slug} total={advisory.findings?.totalCount?.value} />
              </Panel>
            </>
          ) : (
            <Empty title={text('notfound.title')} body={text('advisory.absent')} />
          )
        }
      </Loaded>
    </Page>
  );
}

function AdvisoryFacts({ advisory }: { advisory: Advisory }) {
  const text = useText();
  const intl = useIntl();
  const exploited = advisory.isKnownExploited ? text('value.yes') : text('value.no');
  return (
    <Panel title={text('advisory.facts')} id="facts">
      <Text mb="sm">{advisory.summary}</Text>
      <Facts
        rows={[
          [text('filter.severity'), <SeverityMark key="severity" value={advisory.severity} />],
          [text('advisory.cvss'), `${advisory.cvssScore ?? text('unknown.value')} ${advisory.cvssVector ?? ''}`],
          [
            text('advisory.epss'),
            advisory.epss === null ? text('unknown.value') : intl.formatNumber(advisory.epss, { style: 'percent', maximumFractionDigits: 2 }),
          ],
          [text('advisory.kev'), advisory.isRansomware ? `${exploited}, ${text('advisory.ransomware')}` : exploited],
          [text('advisory.refs'), [...advisory.cves, ...advisory.vendorRefs].join(', ')],
          [text('advisory.feed'), advisory.feed],
          [text('advisory.published'), <Moment key="published" at={advisory.publishedAt} />],
          [
            text('advisory.vendor'),
            advisory.url ? (
              <a key="vendor" href={advisory.url} rel="noreferrer">
                {advisory.url}
              </a>
            ) : (
              text('unknown.value')
            ),
          ],
        ]}
      />
    </Panel>
  );
}
