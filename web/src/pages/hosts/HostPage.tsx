import { Alert, Button, Tabs } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { getRouteApi } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { useQuery } from 'urql';
import { useChange } from '../../api/change.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { AssetPanel } from '../assets/AssetPanel.tsx';
import { Empty } from '../../ui/Empty.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Page } from '../../ui/Page.tsx';
import { Problem, Refusals } from '../../ui/Problem.tsx';
import { HostFacts } from './HostFacts.tsx';
import { HostFindings } from './HostFindings.tsx';
import { HostQuery, ScanHost } from './queries.ts';

const HostComponents = lazy(() => import('./HostComponents.tsx').then((module) => ({ default: module.HostComponents })));
const HostRuns = lazy(() => import('./HostRuns.tsx').then((module) => ({ default: module.HostRuns })));
const route = getRouteApi('/signed-in/o/$org/hosts/$host');
const tabs = ['findings', 'components', 'runs'] as const;

/** State of this machine, and why? */
export function HostPage() {
  const text = useText();
  const { host: id } = route.useParams();
  const { tab = 'findings' } = route.useSearch();
  const navigate = route.useNavigate();
  const [state, ask] = useQuery({ query: HostQuery, variables: { id } });
  const found = state.data?.node;
  const host = found?.__typename === 'Host' ? found : undefined;
  return (
    <Page title={host?.hostname ?? text('hosts.name')} acts={host ? <ScanButton id={id} /> : null}>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {() =>
          host ? (
            <>
              {host.isQuarantined ? <Alert variant="outline" color="red">{text('host.quarantined')}</Alert> : null}
              <HostFacts host={host} />
              <AssetPanel key={id} host={id} />
              <Tabs value={tab} keepMounted={false} onChange={(value) => void navigate({ search: { tab: tabs.find((one) => one === value) } })}>
                <Tabs.List aria-label={text('host.tabs')} mb="md">
                  {tabs.map((one) => (
                    <Tabs.Tab key={one} value={one}>
                      {text(`host.tab.${one}`)}
                    </Tabs.Tab>
                  ))}
                </Tabs.List>
                <Tabs.Panel value="findings">
                  <HostFindings id={id} />
                </Tabs.Panel>
                <Tabs.Panel value="components">
                  <Suspense fallback={null}>
                    <HostComponents id={id} />
                  </Suspense>
                </Tabs.Panel>
                <Tabs.Panel value="runs">
                  <Suspense fallback={null}>
                    <HostRuns id={id} />
                  </Suspense>
                </Tabs.Panel>
              </Tabs>
            </>
          ) : (
            <Empty title={text('host.absent.title')} body={text('host.absent.body')} />
          )
        }
      </Loaded>
    </Page>
  );
}

function ScanButton({ id }: { id: string }) {
  const text = useText();
  const organization = useOrganization();
  const { run, errors, error, isBusy } = useChange(ScanHost, (data) => data.hostScan);
  async function scan() {
    const ok = await run({ organizationId: organization.id, hostIds: [id] });
    if (ok) notifications.show({ message: text('host.scan.done'), autoClose: 8000 });
  }
  return (
    <div>
      <Button variant="default" loading={isBusy} onClick={() => void scan()}>
        {text('host.scan')}
      </Button>
      <Refusals errors={errors} />
      {error ? <Problem error={error} title={text('problem.act')} /> : null}
    </div>
  );
}
