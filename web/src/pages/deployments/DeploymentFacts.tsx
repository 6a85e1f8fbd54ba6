import { Link } from '@tanstack/react-router';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Facts, Panel } from '../../ui/Page.tsx';
import { SeverityMark, Status } from '../../ui/status.tsx';
import { Moment } from '../../ui/Time.tsx';
import { PackButton } from './PackButton.tsx';
import type { Deployment } from './queries.ts';

/** What is rolled out, by whom, under which policy and approval, until when. */
export function DeploymentFacts({ deployment }: { deployment: Deployment }) {
  const text = useText();
  const { slug } = useOrganization();
  const patches = (deployment.patches ?? []).map((patch) => (
    <div key={patch.id}>
      <Link className="np-link" to="/o/$org/findings" params={{ org: slug }} search={{ patch: patch.id }}>
        {patch.name} {patch.fixedVersion}
      </Link>{' '}
      <SeverityMark value={patch.severity} />
    </div>
  ));
  return (
    <Panel title={text('deployment.facts')} id="facts" acts={<PackButton deployment={deployment.id} />}>
      <Facts
        rows={[
          [text('deployment.patches'), patches],
          [text('deployment.policy'), deployment.policy?.name ?? text('unknown.value')],
          [text('deployment.approval'), deployment.approval ? <Status key="approval" of="approval" value={deployment.approval.status} /> : '–'],
          [text('deployments.by'), deployment.createdBy.name],
          [text('deployments.created'), <Moment key="created" at={deployment.createdAt} />],
          [text('deployment.started'), <Moment key="started" at={deployment.startedAt} />],
          [text('deployment.ended'), <Moment key="ended" at={deployment.endedAt} />],
          [text('deployment.until'), <Moment key="until" at={deployment.notAfter} />],
        ]}
      />
    </Panel>
  );
}
