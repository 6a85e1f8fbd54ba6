import { NativeSelect, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText, useWord } from '../../i18n/text.ts';
import { Acts } from '../../ui/Acts.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { NumberField } from '../../ui/NumberField.tsx';
import { draftSeverities, isReady, ruleInputs, usualDraft } from './draft.ts';
import { CreateBaseline, type StandardInfo } from './queries.ts';

interface Props {
  standards: readonly StandardInfo[];
  onClose: () => void;
  onMade: () => void;
}

/** Follow a published rule set, or write days for each severity. */
export function NewBaseline({ standards, onClose, onMade }: Props) {
  const text = useText();
  const word = useWord();
  const { id } = useOrganization();
  const usable = standards.filter((one) => !one.revokedOn);
  const [name, setName] = useState('');
  const [standard, setStandard] = useState<StandardInfo['standard']>('OWN');
  const [draft, setDraft] = useState(usualDraft);
  const change = useChange(CreateBaseline, (data) => data.baselineCreate);
  const takesRules = usable.find((one) => one.standard === standard)?.takesRules ?? false;

  async function commit() {
    const rules = ruleInputs(draft, text('baselines.own.exploited'), (severity) => word('severity', severity));
    const data = await change.run({ organizationId: id, name: name.trim(), standard, isFollowed: true, ...(takesRules ? { rules } : {}) });
    if (!data) return;
    onMade();
    onClose();
  }

  return (
    <Dialog title={text('baselines.new')} onClose={onClose}>
      <Stack>
        <TextInput label={text('baselines.name')} maxLength={80} value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <NativeSelect
          label={text('baselines.standard')}
          value={standard}
          data={usable.map((one) => ({ value: one.standard, label: one.name }))}
          description={usable.find((one) => one.standard === standard)?.title}
          onChange={(event) => setStandard(usable.find((one) => one.standard === event.currentTarget.value)?.standard ?? 'OWN')}
        />
        {takesRules ? (
          <>
            <Text className="np-muted">{text('baselines.days.hint')}</Text>
            <NumberField label={text('baselines.days.exploited')} value={draft.exploited} min={0} max={3650} onChange={(exploited) => setDraft({ ...draft, exploited })} />
            {draftSeverities.map((severity) => (
              <NumberField
                key={severity}
                label={text('baselines.days', { severity: word('severity', severity) })}
                value={draft.days[severity]}
                min={0}
                max={3650}
                onChange={(days) => setDraft({ ...draft, days: { ...draft.days, [severity]: days } })}
              />
            ))}
          </>
        ) : null}
        {standards
          .filter((one) => one.revokedOn)
          .map((one) => (
            <Text key={one.standard} className="np-muted">
              {text('baselines.revoked', { name: one.name, on: one.revokedOn ?? '' })}
            </Text>
          ))}
        <Acts label={text('baselines.make')} change={change} isOff={!name.trim() || (takesRules && !isReady(draft))} onCommit={() => void commit()} onCancel={onClose} />
      </Stack>
    </Dialog>
  );
}
