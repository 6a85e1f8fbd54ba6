import { Button, Group, NativeSelect, Stack, Switch, TextInput } from '@mantine/core';
import { useText, useWord } from '../../i18n/text.ts';
import { Checks } from '../../ui/Checks.tsx';
import { NumberField } from '../../ui/NumberField.tsx';
import { Panel } from '../../ui/Page.tsx';
import { classifications, decisions, newRule, ruleSeverities, type RuleDraft } from './draft.ts';

/** Rules in their order; the first that fits decides, and what fits none waits for a person. */
export function RuleList({ rules, onChange }: { rules: readonly RuleDraft[]; onChange: (rules: readonly RuleDraft[]) => void }) {
  const text = useText();
  const replace = (key: number, part: Partial<RuleDraft>) => onChange(rules.map((rule) => (rule.key === key ? { ...rule, ...part } : rule)));
  const raise = (at: number) => onChange(rules.map((rule, index) => (index === at - 1 ? (rules[at] ?? rule) : index === at ? (rules[at - 1] ?? rule) : rule)));
  const add = (
    <Button variant="default" size="xs" onClick={() => onChange([...rules, newRule(text('policies.new.rule.number', { number: rules.length + 1 }))])}>
      {text('policies.new.rule.add')}
    </Button>
  );
  return (
    <Panel title={text('policies.rules')} id="rules" acts={add}>
      <Stack gap="lg">
        {rules.map((rule, at) => (
          <fieldset key={rule.key} className="np-fieldset">
            <legend>{rule.name || text('policies.rule')}</legend>
            <RuleFields rule={rule} set={(part) => replace(rule.key, part)} />
            <Group mt="sm">
              {at > 0 ? (
                <Button variant="default" size="xs" onClick={() => raise(at)} aria-label={text('policies.new.rule.raise.of', { rule: rule.name })}>
                  {text('policies.new.rule.raise')}
                </Button>
              ) : null}
              <Button variant="default" size="xs" onClick={() => onChange(rules.filter((one) => one.key !== rule.key))} aria-label={text('policies.new.rule.remove.of', { rule: rule.name })}>
                {text('policies.new.rule.remove')}
              </Button>
            </Group>
          </fieldset>
        ))}
        <span className="np-muted">{text('policies.new.rule.rest')}</span>
      </Stack>
    </Panel>
  );
}

function RuleFields({ rule, set }: { rule: RuleDraft; set: (part: Partial<RuleDraft>) => void }) {
  const text = useText();
  const word = useWord();
  return (
    <Stack gap="sm">
      <Group align="flex-start">
        <TextInput label={text('policies.new.rule.name')} maxLength={80} value={rule.name} onChange={(event) => set({ name: event.currentTarget.value })} />
        <NativeSelect
          label={text('policies.then')}
          value={rule.decision}
          data={decisions.map((one) => ({ value: one, label: word('decision', one) }))}
          onChange={(event) => set({ decision: decisions.find((one) => one === event.currentTarget.value) ?? 'REQUIRE_APPROVALS' })}
        />
        {rule.decision === 'REQUIRE_APPROVALS' ? (
          <NumberField label={text('policies.new.approvals')} width={120} min={1} max={5} value={rule.approvals} onChange={(approvals) => set({ approvals })} />
        ) : null}
        {rule.decision === 'DEFER' ? (
          <NumberField label={text('policies.new.defer')} width={120} min={1} max={365} value={rule.deferDays} onChange={(deferDays) => set({ deferDays })} />
        ) : null}
      </Group>
      <Checks label={text('policies.new.classifications')} values={classifications} chosen={rule.classifications} word={(one) => word('classification', one)} onChange={(next) => set({ classifications: next })} />
      <Checks label={text('policies.new.severities')} values={ruleSeverities} chosen={rule.severities} word={(one) => word('severity', one)} onChange={(next) => set({ severities: next })} />
      <Switch label={text('policies.new.exploited')} checked={rule.isExploited} onChange={(event) => set({ isExploited: event.currentTarget.checked })} />
      <TextInput label={text('policies.new.packages')} placeholder="linux-*, systemd" maw={420} value={rule.packages} onChange={(event) => set({ packages: event.currentTarget.value })} />
    </Stack>
  );
}
