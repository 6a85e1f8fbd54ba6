import { Group, Stack, Switch, TextInput } from '@mantine/core';
import { useText } from '../../i18n/text.ts';
import { NumberField } from '../../ui/NumberField.tsx';
import { Panel } from '../../ui/Page.tsx';
import { readWaves, type Draft } from './draft.ts';

/** Waves, and the gate behind each. */
export function RolloutFields({ draft, set }: { draft: Draft; set: (part: Partial<Draft>) => void }) {
  const text = useText();
  const isRead = readWaves(draft.waves) !== null;
  return (
    <Panel title={text('policies.rollout')} id="rollout">
      <Stack>
        <TextInput
          label={text('policies.new.waves')}
          description={text('policies.new.waves.what')}
          maw={420}
          value={draft.waves}
          error={isRead ? undefined : text('policies.new.waves.wrong')}
          onChange={(event) => set({ waves: event.currentTarget.value })}
        />
        <Group align="flex-start">
          <NumberField label={text('policies.new.success')} width={180} min={0} max={100} value={draft.minSuccessPercent} onChange={(minSuccessPercent) => set({ minSuccessPercent })} />
          <NumberField label={text('policies.new.failed')} width={180} min={0} max={100_000} value={draft.maxFailed} onChange={(maxFailed) => set({ maxFailed })} />
          <NumberField label={text('policies.new.soak')} width={220} min={0} max={43_200} value={draft.soakMinutes} onChange={(soakMinutes) => set({ soakMinutes })} />
        </Group>
        <Switch label={text('policies.new.rollback')} checked={draft.requiresRollback} onChange={(event) => set({ requiresRollback: event.currentTarget.checked })} />
        <Switch label={text('policies.new.reboots')} checked={draft.rebootsInWindow} onChange={(event) => set({ rebootsInWindow: event.currentTarget.checked })} />
      </Stack>
    </Panel>
  );
}
