import { Button, Group, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { useChange } from '../../api/change.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Dialog } from '../../ui/Dialog.tsx';
import { Problem, Refusals } from '../../ui/Problem.tsx';
import { CancelDeployment, HaltDeployment, PauseDeployment, ResumeDeployment, type Deployment } from './queries.ts';

/** What a person can do to a deployment. */
export type Act = 'pause' | 'halt' | 'resume' | 'cancel';

const documents = { pause: PauseDeployment, halt: HaltDeployment, resume: ResumeDeployment, cancel: CancelDeployment };

/** Above so many hosts the number has to be typed. */
const typeAbove = 500;

interface Props {
  act: Act;
  deployment: Deployment;
  hostCount: number;
  refresh: () => void;
  onClose: () => void;
}

/** Names the organization and the number of hosts, asks for the reason, then acts. */
export function ControlDialog({ act, deployment, hostCount, refresh, onClose }: Props) {
  const text = useText();
  const intl = useIntl();
  const organization = useOrganization();
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const [isMissing, setMissing] = useState(false);
  const change = useChange(documents[act], (data) => data.change);
  const isConflict = change.errors.some((one) => one.code === 'CONFLICT');
  const mustType = hostCount > typeAbove && (act === 'cancel' || act === 'resume');
  const isTyped = !mustType || typed.replaceAll(/\D/g, '') === String(hostCount);

  async function commit() {
    if (!reason.trim()) {
      setMissing(true);
      return;
    }
    const data = await change.run({ id: deployment.id, reason: reason.trim(), ifMatch: deployment.etag });
    refresh();
    if (data) onClose();
  }

  return (
    <Dialog title={text('deployment.dialog', { act: text(`deployment.${act}`), name: deployment.name })} onClose={onClose}>
      <Stack>
        <Text fw={700}>{text('deployment.dialog.scope', { organization: organization.name, count: hostCount })}</Text>
        <Text>{text(`deployment.${act}.what`)}</Text>
        <Textarea
          data-autofocus
          label={text('dialog.reason')}
          description={text('dialog.reason.hint')}
          value={reason}
          maxLength={2000}
          onChange={(event) => setReason(event.currentTarget.value)}
          error={isMissing && !reason.trim() ? text('dialog.reason.missing') : undefined}
        />
        {mustType ? <TextInput label={text('dialog.count', { count: hostCount })} placeholder={intl.formatNumber(hostCount)} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} /> : null}
        {isConflict ? <Text role="alert">{text('deployment.conflict')}</Text> : <Refusals errors={change.errors} />}
        {change.error ? <Problem error={change.error} title={text('problem.act')} /> : null}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {text('dialog.cancel')}
          </Button>
          <Button loading={change.isBusy} disabled={!isTyped} onClick={() => void commit()}>
            {text(`deployment.${act}`)}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  );
}
