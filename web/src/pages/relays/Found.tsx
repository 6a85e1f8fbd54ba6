import { Loader } from '@mantine/core';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Empty } from '../../ui/Empty.tsx';
import { Facts, Panel } from '../../ui/Page.tsx';
import { Problem } from '../../ui/Problem.tsx';
import { Moment } from '../../ui/Time.tsx';
import { ClaimForm } from './ClaimForm.tsx';
import { grouped } from './code.ts';
import { RelayPreviewQuery } from './queries.ts';

/** What the relay behind a code says about itself, and the form that takes it in. */
export function Found({ code }: { code: string }) {
  const text = useText();
  const { id } = useOrganization();
  // Not again by itself: each look at a wrong code counts.
  const [{ data, error, fetching }, ask] = useQuery({ query: RelayPreviewQuery, variables: { organization: id, code }, requestPolicy: 'cache-first' });
  if (fetching) return <Loader aria-label={text('app.loading')} />;
  if (error) return <Problem error={error} onRetry={() => ask({ requestPolicy: 'network-only' })} title={text('claim.problem')} />;
  const relay = data?.relayPreview;
  if (!relay) return <Empty title={text('claim.absent.title', { code })} body={text('claim.absent.body')} />;
  return (
    <Panel title={text('claim.found')} id="found">
      <Facts
        rows={[
          [text('claim.fingerprint'), <strong key="fingerprint" className="np-mono">{grouped(relay.keyFingerprint)}</strong>],
          [text('claim.model'), relay.model || text('unknown.value')],
          [text('claim.serial'), relay.serial || text('unknown.value')],
          [text('relay.version'), relay.version],
          [text('claim.until'), <Moment key="until" at={relay.expiresAt} />],
        ]}
      />
      <ClaimForm code={code} />
    </Panel>
  );
}
