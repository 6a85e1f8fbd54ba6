import { NativeSelect, SimpleGrid, Stack, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText, useWord } from '../../i18n/text.ts';
import { Acts } from '../../ui/Acts.tsx';
import { criticalities } from '../../ui/status.tsx';
import { changesOf, days, draftOf, texts, type AssetDraft } from './fields.ts';
import { UpsertAsset, type Asset } from './queries.ts';

interface Props {
  asset: Asset | null | undefined;
  /** The host that a new asset is of. */
  hostId?: string;
  onDone: (isSaved: boolean) => void;
}

/** What a person may say of a machine. */
export function AssetForm({ asset, hostId, onDone }: Props) {
  const text = useText();
  const word = useWord();
  const { id: organizationId } = useOrganization();
  const [before] = useState(() => draftOf(asset));
  const [draft, setDraft] = useState(before);
  const change = useChange(UpsertAsset, (data) => data.assetUpsert);
  const set = (part: Partial<AssetDraft>) => setDraft((known) => ({ ...known, ...part }));
  const changes = changesOf(before, draft);
  const isSame = Object.keys(changes).length === 0;

  async function commit() {
    const fields = asset || !hostId ? changes : { ...changes, hostId };
    const data = await change.run({ organizationId, ...(asset ? { id: asset.id, ifMatch: asset.etag } : {}), fields });
    if (data) onDone(true);
  }

  return (
    <Stack>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        {texts.map((name) => (
          <TextInput key={name} label={text(`asset.${name}`)} maxLength={255} value={draft[name]} onChange={(event) => set({ [name]: event.currentTarget.value })} />
        ))}
        <NativeSelect
          label={text('asset.criticality')}
          value={draft.criticality}
          data={[{ value: '', label: text('asset.criticality.none') }, ...criticalities.map((one) => ({ value: one, label: word('criticality', one) }))]}
          onChange={(event) => set({ criticality: event.currentTarget.value })}
        />
        <TextInput label={text('asset.tags')} description={text('asset.tags.what')} value={draft.tags} onChange={(event) => set({ tags: event.currentTarget.value })} />
        {days.map((name) => (
          <TextInput key={name} type="date" label={text(`asset.${name}`)} value={draft[name]} onChange={(event) => set({ [name]: event.currentTarget.value })} />
        ))}
      </SimpleGrid>
      <Acts label={text('asset.save')} change={change} isOff={isSame} onCommit={() => void commit()} onCancel={() => onDone(false)} />
    </Stack>
  );
}
