import { getRouteApi, Link } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Empty } from '../../ui/Empty.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Page, Panel } from '../../ui/Page.tsx';
import { NewToken } from './NewToken.tsx';
import { EnrolmentQuery } from './queries.ts';
import { TokensTable } from './TokensTable.tsx';

const route = getRouteApi('/signed-in/o/$org/enrolment');

/** How does a host join? */
export function EnrolmentPage() {
  const text = useText();
  const { id, slug } = useOrganization();
  const { site } = route.useSearch();
  const navigate = route.useNavigate();
  const [state, ask] = useQuery({ query: EnrolmentQuery, variables: { id } });
  const toSites = (
    <Link className="np-link" to="/o/$org/sites" params={{ org: slug }}>
      {text('enrolment.nosite.act')}
    </Link>
  );
  return (
    <Page title={text('enrolment.title')} question={text('enrolment.question')}>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ organization }) => {
          const sites = organization?.sites?.nodes ?? [];
          const tokens = organization?.enrolmentTokens ?? [];
          if (sites.length === 0) return <Empty title={text('enrolment.nosite.title')} body={text('enrolment.nosite.body')} act={toSites} />;
          return (
            <>
              <NewToken
                sites={sites}
                chosen={sites.find((one) => one.id === site)}
                onChoose={(wanted) => void navigate({ search: { site: wanted }, replace: true })}
              />
              <Panel title={text('enrolment.tokens')} id="tokens">
                {tokens.length > 0 ? <TokensTable tokens={tokens} /> : text('enrolment.tokens.none')}
              </Panel>
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}
