import { Text } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useCallback } from 'react';
import { useQuery } from 'urql';
import { useText, useWord } from '../../i18n/text.ts';
import { Announce } from '../../ui/Announce.tsx';
import { Empty } from '../../ui/Empty.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Page } from '../../ui/Page.tsx';
import { Status } from '../../ui/status.tsx';
import { Controls } from './Controls.tsx';
import { sumCounts } from './counts.ts';
import { DeploymentFacts } from './DeploymentFacts.tsx';
import { DeploymentRuns } from './DeploymentRuns.tsx';
import { useLiveDeployment } from './live.ts';
import { LivePill } from './LivePill.tsx';
import { DeploymentQuery, type Deployment } from './queries.ts';
import { Waves } from './Waves.tsx';

const route = getRouteApi('/signed-in/o/$org/deployments/$deployment');

/** Is this rollout safe? */
export function DeploymentPage() {
  const text = useText();
  const { deployment: id } = route.useParams();
  const [state, ask] = useQuery({ query: DeploymentQuery, variables: { id } });
  const node = state.data?.node;
  const deployment = node?.__typename === 'Deployment' ? node : undefined;
  const isOver = !deployment || deployment.status === 'COMPLETED' || deployment.status === 'CANCELLED';
  const refresh = useCallback(() => ask({ requestPolicy: 'network-only' }), [ask]);
  const live = useLiveDeployment(id, isOver, refresh);
  return (
    <Page title={deployment?.name ?? text('deployments.name')} acts={deployment ? <LivePill state={live} /> : null}>
      <Loaded state={state} retry={refresh}>
        {() => (deployment ? <Shown deployment={deployment} refresh={refresh} /> : <Empty title={text('deployment.absent.title')} body={text('deployment.absent.body')} />)}
      </Loaded>
    </Page>
  );
}

function Shown({ deployment, refresh }: { deployment: Deployment; refresh: () => void }) {
  const text = useText();
  const word = useWord();
  const counts = sumCounts(deployment.waves ?? []);
  const { succeeded, failed, running, pending } = counts;
  return (
    <>
      <Text>
        <Status of="deployment" value={deployment.status} /> {deployment.reason}
      </Text>
      <Announce message={text('deployment.announce', { name: deployment.name, status: word('deployment', deployment.status), succeeded, failed, running, pending })} />
      <Controls deployment={deployment} hostCount={counts.total} refresh={refresh} />
      <Waves waves={deployment.waves ?? []} />
      <DeploymentRuns id={deployment.id} stamp={`${succeeded} ${failed} ${running} ${counts.rolledBack} ${counts.silent}`} />
      <DeploymentFacts deployment={deployment} />
    </>
  );
}
