import { Button, Group, NativeSelect, Switch } from '@mantine/core';
import { useState } from 'react';
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

const kinds = ['EVIDENCE_PACK', 'FINDINGS_CSV', 'RUNS_CSV'] as const;

/** Asks for a report. */
export function MakeReport({ onMade }: { onMade: () => void }) {
  const text = useText();
  const word = useWord();
  const { id } = useOrganization();
  const [kind, setKind] = useState<(typeof kinds)[number]>('EVIDENCE_PACK');
  const [isGuarded, setGuarded] = useState(false);
  const { run, errors, error, isBusy } = useChange(CreateReport, (data) => data.reportCreate);
  async function make() {
    const data = await run({ organizationId: id, kind, guardFormulas: isGuarded });
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
        <Button loading={isBusy} onClick={() => void make()}>
          {text('reports.make')}
        </Button>
      </Group>
      <Refusals errors={errors} />
      {error ? <Problem error={error} title={text('problem.act')} /> : null}
    </>
  );
}
