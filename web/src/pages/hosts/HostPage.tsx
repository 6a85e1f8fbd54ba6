import { Alert, Button, Tabs } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { getRouteApi } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { useQuery } from 'urql';
import { useChange } from '../../api/change.ts';
import { useOrganization } from '../../app/organization.ts';
import { hostTabs } from '../../app/search.ts';
import { useText } from '../../i18n/text.ts';
import { AssetPanel } from '../assets/AssetPanel.tsx';
import { Empty } from '../../ui/Empty.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Page } from '../../ui/Page.tsx';
import { Problem, Refusals } from '../../ui/Problem.tsx';
import { HostFacts } from './HostFacts.tsx';
import { HostQuery, ScanHost } from './queries.ts';

const HostComponents = lazy(() => import('./HostComponents.tsx').then((module) => ({ default: module.HostComponents })));
const HostFindings = lazy(() => import('./HostFindings.tsx').then((module) => ({ default: module.HostFindings })));
const HostListening = lazy(() => import('./HostListening.tsx').then((module) => ({ default: module.HostListening })));
const HostRefused = lazy(() => import('./HostRefused.tsx').then((module) => ({ default: module.HostRefused })));
const HostRuns = lazy(() => import('./HostRuns.tsx').then((module) => ({ default: module.HostRuns })));
const HostSystem = lazy(() => import('./HostSystem.tsx').then((module) => ({ default: module.HostSystem })));
const route = getRouteApi('/signed-in/o/$org/hosts/$host');
/** What each tab shows, loaded when it is looked at. */
const parts = { findings: HostFindings, components: HostComponents, system: HostSystem, listening: HostListening, refused: HostRefused, runs: HostRuns };

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
              <Tabs value={tab} keepMounted={false} onChange={(value) => void navigate({ search: { tab: hostTabs.find((one) => one === value) } })}>
                <Tabs.List aria-label={text('host.tabs')} mb="md">
                  {hostTabs.map((one) => (
                    <Tabs.Tab key={one} value={one}>
                      {text(`host.tab.${one}`)}
                    </Tabs.Tab>
                  ))}
                </Tabs.List>
                {hostTabs.map((one) => {
                  const Part = parts[one];
                  return (
                    <Tabs.Panel key={one} value={one}>
                      <Suspense fallback={null}>
                        <Part id={id} />
                      </Suspense>
                    </Tabs.Panel>
                  );
                })}
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
