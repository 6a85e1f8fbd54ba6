import { Button, Text } from '@mantine/core';
import { lazy, Suspense, useState } from 'react';
import { useQuery } from 'urql';
import { useText, useWord } from '../../i18n/text.ts';
import { Loaded } from '../../ui/Loaded.tsx';
import { Facts, Panel } from '../../ui/Page.tsx';
import { HostAssetQuery, type Asset } from './queries.ts';

const AssetForm = lazy(() => import('./AssetForm.tsx').then((module) => ({ default: module.AssetForm })));

/** What the organization knows of a host besides what its agent reports, and a way to say more. */
export function AssetPanel({ host }: { host: string }) {
  const text = useText();
  const [isEditing, setEditing] = useState(false);
  const [state, ask] = useQuery({ query: HostAssetQuery, variables: { id: host } });
  const refresh = () => ask({ requestPolicy: 'network-only' });
  const found = state.data?.node;
  const asset = found?.__typename === 'Host' ? found.asset : null;
  const acts = isEditing ? null : (
    <Button variant="default" size="xs" disabled={!state.data} onClick={() => setEditing(true)}>
      {text(asset ? 'asset.edit' : 'asset.add')}
    </Button>
  );
  return (
    <Panel title={text('asset.title')} id="asset" acts={acts}>
      <Loaded state={state} retry={refresh}>
        {() => {
          if (isEditing) {
            const done = (isSaved: boolean) => {
              setEditing(false);
              if (isSaved) refresh();
            };
            return (
              <Suspense fallback={null}>
                <AssetForm asset={asset} hostId={host} onDone={done} />
              </Suspense>
            );
          }
          return asset ? <AssetFactsList asset={asset} /> : <Text className="np-muted">{text('asset.none')}</Text>;
        }}
      </Loaded>
    </Panel>
  );
}

function AssetFactsList({ asset }: { asset: Asset }) {
  const text = useText();
  const word = useWord();
  const or = (value: string | null) => value || '–';
  return (
    <Facts
      rows={[
        [text('asset.owner'), or(asset.owner)],
        [text('asset.department'), or(asset.department)],
        [text('asset.location'), or(asset.location)],
        [text('asset.tier'), or(asset.tier)],
        [text('asset.criticality'), asset.criticality ? word('criticality', asset.criticality) : text('asset.criticality.none')],
        [text('asset.tags'), asset.tags.join(', ') || '–'],
        [text('asset.inventoryNumber'), or(asset.inventoryNumber)],
        [text('asset.machine'), [asset.vendor, asset.model, asset.serial].filter(Boolean).join(', ') || '–'],
        [text('asset.warrantyEnd'), or(asset.warrantyEnd)],
        [text('asset.endOfLife'), or(asset.endOfLife)],
        [text('asset.rule'), asset.linkRule ? word('linkrule', asset.linkRule) : '–'],
      ]}
    />
  );
}
