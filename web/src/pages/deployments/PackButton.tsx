import { Button, Stack } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Problem, Refusals } from '../../ui/Problem.tsx';
import { MakePack } from './queries.ts';

/** Makes the evidence pack of a deployment; it is offered here at once if it is ready at once, under Reports otherwise. */
export function PackButton({ deployment }: { deployment: string }) {
  const text = useText();
  const { id, slug } = useOrganization();
  const [made, setMade] = useState<{ url: string | null; fileName: string; status: string } | null>(null);
  const { run, errors, error, isBusy } = useChange(MakePack, (data) => data.reportCreate);
  async function make() {
    const data = await run({ organizationId: id, kind: 'EVIDENCE_PACK', deploymentId: deployment });
    setMade(data?.reportCreate.report ?? null);
  }
  return (
    <Stack gap="xs" align="flex-end">
      <Button variant="default" loading={isBusy} onClick={() => void make()}>
        {text('ledger.pack.make')}
      </Button>
      <span role="status">
        {made?.status === 'READY' && made.url ? (
          <a className="np-link" href={made.url} download>
            {text('ledger.pack.download', { name: made.fileName })}
          </a>
        ) : null}
        {made && made.status !== 'READY' ? (
          <Link className="np-link" to="/o/$org/reports" params={{ org: slug }}>
            {text('ledger.pack.busy')}
          </Link>
        ) : null}
      </span>
      <Refusals errors={errors} />
      {error ? <Problem error={error} title={text('problem.act')} /> : null}
    </Stack>
  );
}
