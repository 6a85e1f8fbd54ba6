import { Button, Group, NativeSelect, Switch } from '@mantine/core';
import { useState } from 'react';
import { useQuery } from 'urql';
import { useChange } from '../../api/change.ts';
import { graphql } from '../../api/graphql.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText, useWord } from '../../i18n/text.ts';
import { Problem, Refusals } from '../../ui/Problem.tsx';

const CreateReport = graphql(`
  mutation CreateReport($input: ReportCreateInput!) {
    reportCreate(input: $input) { report { id status } userErrors { code message } }
  }
`);

const DeploymentNamesQuery = graphql(`
  query DeploymentNames($id: ID!) {
    deployments(first: 50, filter: { organizationId: $id }) { nodes { id name } }
  }
`);

const kinds = ['EVIDENCE_PACK', 'FINDINGS_CSV', 'RUNS_CSV'] as const;

/** Asks for a report. */
export function MakeReport({ onMade }: { onMade: () => void }) {
  const text = useText();
  const word = useWord();
  const { id } = useOrganization();
  const [kind, setKind] = useState<(typeof kinds)[number]>('EVIDENCE_PACK');
  const [isGuarded, setGuarded] = useState(false);
  const [chosen, setChosen] = useState('');
  const isOfDeployment = kind !== 'FINDINGS_CSV';
  const [names] = useQuery({ query: DeploymentNamesQuery, variables: { id } });
  const deployments = names.data?.deployments?.nodes ?? [];
  const deployment = deployments.find((one) => one.id === chosen) ?? deployments[0];
  const lacksDeployment = isOfDeployment && !deployment;
  const { run, errors, error, isBusy } = useChange(CreateReport, (data) => data.reportCreate);
  async function make() {
    const data = await run({ organizationId: id, kind, guardFormulas: isGuarded, ...(isOfDeployment && deployment ? { deploymentId: deployment.id } : {}) });
    if (data) onMade();
  }
  return (
    <>
      <Group align="flex-end">
        <NativeSelect
          label={text('reports.kind')}
          value={kind}
          data={kinds.map((one) => ({ value: one, label: word('kind', one) }))}
          onChange={(event) => setKind(kinds.find((one) => one === event.currentTarget.value) ?? 'EVIDENCE_PACK')}
        />
        {kind === 'EVIDENCE_PACK' ? null : <Switch mb={8} label={text('reports.guard')} checked={isGuarded} onChange={(event) => setGuarded(event.currentTarget.checked)} />}
        {isOfDeployment && deployment ? (
          <NativeSelect
            label={text('reports.deployment')}
            value={deployment.id}
            data={deployments.map((one) => ({ value: one.id, label: one.name }))}
            onChange={(event) => setChosen(event.currentTarget.value)}
          />
        ) : null}
        <Button loading={isBusy} disabled={lacksDeployment} onClick={() => void make()}>
          {text('reports.make')}
        </Button>
      </Group>
      {lacksDeployment && names.data ? <p className="np-muted">{text('reports.deployment.none')}</p> : null}
      <Refusals errors={errors} />
      {error ? <Problem error={error} title={text('problem.act')} /> : null}
    </>
  );
}
