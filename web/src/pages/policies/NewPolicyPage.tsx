import { Stack, Switch, TextInput } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Acts } from '../../ui/Acts.tsx';
import { Page, Panel } from '../../ui/Page.tsx';
import { newDraft, readWaves, ruleInput, type Draft } from './draft.ts';
import { CreatePolicy } from './queries.ts';
import { RolloutFields } from './RolloutFields.tsx';
import { RuleList } from './RuleList.tsx';
import { Targets } from './Targets.tsx';
import { Willing } from './Willing.tsx';

const route = getRouteApi('/signed-in/o/$org/policies/new');

/** A new policy, with a sentence that says what it would do. */
export function NewPolicyPage() {
  const text = useText();
  const { id } = useOrganization();
  const navigate = route.useNavigate();
  const [draft, setDraft] = useState(() => newDraft(text('policies.new.rule.security')));
  const set = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const change = useChange(CreatePolicy, (data) => data.policyCreate);
  const waves = readWaves(draft.waves);
  const back = () => void navigate({ to: '/o/$org/policies' });

  async function commit() {
    if (!waves) return;
    const { minSuccessPercent, maxFailed, requiresRollback, rebootsInWindow } = draft;
    const data = await change.run({
      organizationId: id,
      name: draft.name.trim(),
      isAutomatic: draft.isAutomatic,
      windowIds: [...draft.windows],
      rules: draft.rules.map(ruleInput),
      rollout: { waves, minSuccessPercent, maxFailed, soakSeconds: draft.soakMinutes * 60, requiresRollback, rebootsInWindow },
      ...(draft.group ? { groupId: draft.group } : {}),
    });
    if (data) back();
  }

  return (
    <Page title={text('policies.new')} question={text('policies.new.question')}>
      <Panel title={text('policies.new.what')} id="what">
        <Stack>
          <TextInput label={text('policies.new.name')} maxLength={80} maw={420} value={draft.name} onChange={(event) => set({ name: event.currentTarget.value })} />
          <Targets draft={draft} set={set} />
          <Switch label={text('policies.new.automatic')} description={text('policies.new.automatic.what')} checked={draft.isAutomatic} onChange={(event) => set({ isAutomatic: event.currentTarget.checked })} />
        </Stack>
      </Panel>
      <RuleList rules={draft.rules} onChange={(rules) => set({ rules })} />
      <RolloutFields draft={draft} set={set} />
      <Panel title={text('policies.new.then')} id="then">
        <Stack>
          <Willing draft={draft} />
          <Acts label={text('policies.new.make')} change={change} isOff={!waves || !draft.name.trim()} onCommit={() => void commit()} onCancel={back} />
        </Stack>
      </Panel>
    </Page>
  );
}
