import { Button, Group, NativeSelect, Stack, Text, TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useQuery } from 'urql';
import { useChange } from '../../api/change.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Dialog } from '../../ui/Dialog.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Problem, Refusals } from '../../ui/Problem.tsx';
import { PlanView } from './PlanView.tsx';
import { PlanDeployment, PolicyNamesQuery, type Plan, type QueueItem } from './queries.ts';

/** A deployment is created only after a dry run of exactly the same has shown its counts. */
export function PlanDialog({ items, onClose }: { items: readonly QueueItem[]; onClose: () => void }) {
  const text = useText();
  const navigate = useNavigate();
  const here = useOrganization();
  const { id, name, slug } = items[0]?.organization ?? here;
  const [state, ask] = useQuery({ query: PolicyNamesQuery, variables: { id } });
  const [chosen, setChosen] = useState('');
  const [title, setTitle] = useState('');
  const [plan, setPlan] = useState<Plan | null>(null);
  const change = useChange(PlanDeployment, (data) => data.deploymentCreate);
  const isMixed = items.some((item) => item.organization && item.organization.id !== id);
  const policies = isMixed ? [] : (state.data?.policies?.nodes ?? []);
  const policy = policies.find((one) => one.id === chosen) ?? policies[0];

  async function go(dryRun: boolean) {
    if (!policy) return;
    const patchIds = items.map((item) => item.patch.id);
    const data = await change.run({ organizationId: id, policyId: policy.id, patchIds, dryRun, ...(title ? { name: title } : {}) });
    if (!data) return;
    const created = data.deploymentCreate.deployment;
    if (dryRun) setPlan(data.deploymentCreate.plan ?? null);
    else if (created) void navigate({ to: '/o/$org/deployments/$deployment', params: { org: slug, deployment: created.id } });
  }

  return (
    <Dialog title={text('plan.title', { organization: name })} onClose={onClose}>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {() =>
          policy ? (
            <Stack>
              <NativeSelect
                label={text('plan.policy')}
                description={text('plan.policy.hint')}
                value={policy.id}
                data={policies.map((one) => ({ value: one.id, label: one.name }))}
                onChange={(event) => {
                  setChosen(event.currentTarget.value);
                  setPlan(null);
                }}
              />
              <Text size="sm" className="np-muted">
                {policy.sentence}
              </Text>
              <TextInput label={text('plan.name')} value={title} onChange={(event) => setTitle(event.currentTarget.value)} />
              {plan ? <PlanView plan={plan} /> : <Text>{text('plan.nothing')}</Text>}
              <Refusals errors={change.errors} />
              {change.error ? <Problem error={change.error} title={text('problem.act')} /> : null}
              <Group justify="flex-end">
                <Button variant="default" onClick={onClose}>
                  {text('dialog.cancel')}
                </Button>
                <Button variant={plan ? 'default' : 'filled'} loading={change.isBusy} onClick={() => void go(true)}>
                  {text('plan.dryrun')}
                </Button>
                {plan && plan.hostCount > 0 ? (
                  <Button loading={change.isBusy} onClick={() => void go(false)}>
                    {text('plan.commit', { count: plan.hostCount })}
                  </Button>
                ) : null}
              </Group>
            </Stack>
          ) : (
            <Text>{text(isMixed ? 'plan.mixed' : 'plan.policy.none')}</Text>
          )
        }
      </Loaded>
    </Dialog>
  );
}
