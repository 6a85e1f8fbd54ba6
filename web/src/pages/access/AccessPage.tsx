import { Tabs } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Empty } from '../../ui/Empty.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Page } from '../../ui/Page.tsx';
import { CanQuery } from './queries.ts';

const route = getRouteApi('/signed-in/o/$org/access');
const tabs = ['people', 'partners', 'programs'] as const;
const parts = {
  people: lazy(() => import('./People.tsx').then((module) => ({ default: module.People }))),
  partners: lazy(() => import('./Partners.tsx').then((module) => ({ default: module.Partners }))),
  programs: lazy(() => import('./Programs.tsx').then((module) => ({ default: module.Programs }))),
};

/** Who can do what, until when? */
export function AccessPage() {
  const text = useText();
  const { id } = useOrganization();
  const { tab = 'people' } = route.useSearch();
  const navigate = route.useNavigate();
  const [state, ask] = useQuery({ query: CanQuery, variables: { id } });
  const Part = parts[tab];
  return (
    <Page title={text('access.title')} question={text('access.question')}>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ viewer }) =>
          viewer.can ? (
            <Tabs value={tab} onChange={(value) => void navigate({ search: { tab: tabs.find((one) => one === value) } })}>
              <Tabs.List aria-label={text('access.title')}>
                {tabs.map((one) => (
                  <Tabs.Tab key={one} value={one}>
                    {text(`access.${one}`)}
                  </Tabs.Tab>
                ))}
              </Tabs.List>
              {tabs.map((one) => (
                <Tabs.Panel key={one} value={one} pt="md">
                  <Suspense fallback={null}>{one === tab ? <Part /> : null}</Suspense>
                </Tabs.Panel>
              ))}
            </Tabs>
          ) : (
            <Empty title={text('access.closed.title')} body={text('access.closed.body')} />
          )
        }
      </Loaded>
    </Page>
  );
}
