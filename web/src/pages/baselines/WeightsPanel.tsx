import { Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText, useWord } from '../../i18n/text.ts';
import { Acts } from '../../ui/Acts.tsx';
import { NumberField } from '../../ui/NumberField.tsx';
import { Panel } from '../../ui/Page.tsx';
import { sumOf } from './draft.ts';
import { SetWeights, type Weights } from './queries.ts';

/** How many points each input of the risk can add. */
export function WeightsPanel({ weights, onChanged }: { weights: Weights; onChanged: () => void }) {
  const text = useText();
  const word = useWord();
  const { id } = useOrganization();
  const [draft, setDraft] = useState(weights.weights);
  const change = useChange(SetWeights, (data) => data.riskWeightsSet);
  const sum = sumOf(draft);
  const isSame = draft.every(({ points }, at) => points === weights.weights[at]?.points);

  async function commit() {
    const data = await change.run({ organizationId: id, ifMatch: weights.etag, weights: draft.map(({ kind, points }) => ({ kind, points })) });
    if (data) onChanged();
  }

  return (
    <Panel title={text('weights.title')} id="weights">
      <Stack maw={420}>
        <Text className="np-muted">
          {text('weights.hint')} {text('weights.version', { version: weights.version })}
        </Text>
        {draft.map(({ kind, points }) => (
          <NumberField
            key={kind}
            label={word('riskinput', kind)}
            value={points}
            min={0}
            max={100}
            onChange={(next) => setDraft(draft.map((one) => (one.kind === kind ? { ...one, points: next } : one)))}
          />
        ))}
        <Text>{text('weights.sum', { sum: Number.isNaN(sum) ? '–' : sum })}</Text>
        <Acts label={text('weights.save')} change={change} isOff={sum !== 100 || isSame} onCommit={() => void commit()} />
      </Stack>
    </Panel>
  );
}
