import { Button, Code, Text } from '@mantine/core';
import { useState } from 'react';
import { useIntl } from 'react-intl';
import { useClient, useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { checkHead, type Step } from '../../proof/ledger.ts';
import { Loaded } from '../../ui/Loaded.tsx';
import { Facts, Panel } from '../../ui/Page.tsx';
import { CheckpointQuery, ConsistencyQuery } from './queries.ts';
import { remember, remembered } from './remembered.ts';
import { Steps } from './Steps.tsx';

interface Head {
  treeSize: string;
  rootHash: string;
  note: string;
  publicKey: string;
}

/** The signed head, checked by this browser and compared with what it saw before. */
export function HeadPanel() {
  const text = useText();
  const { id } = useOrganization();
  const [state, ask] = useQuery({ query: CheckpointQuery, variables: { id }, requestPolicy: 'network-only' });
  return (
    <Panel title={text('ledger.head')} id="head">
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ organization }) => (organization?.ledgerCheckpoint ? <Checked head={organization.ledgerCheckpoint} /> : <Text>{text('ledger.empty.title')}</Text>)}
      </Loaded>
    </Panel>
  );
}

function Checked({ head }: { head: Head }) {
  const text = useText();
  const check = useHeadCheck(head);
  return (
    <>
      <Facts
        rows={[
          [text('ledger.entries'), text('ledger.head.size', { count: Number(head.treeSize) })],
          [text('ledger.head.root'), <span key="root" className="np-mono">{head.rootHash}</span>],
          [text('ledger.head.key'), <span key="key" className="np-mono">{head.publicKey}</span>],
        ]}
      />
      <details>
        <summary>{text('ledger.head.note')}</summary>
        <Code block tabIndex={0} role="region" aria-label={text('ledger.head')}>
          {head.note}
        </Code>
      </details>
      <Button mt="sm" loading={check.isBusy} onClick={() => void check.run()}>
        {text('ledger.verify')}
      </Button>
      {check.result ? <Steps steps={check.result.steps} at={check.result.at} /> : null}
      <Text mt="sm" size="sm">
        {text('ledger.offline')}
      </Text>
      <Code block>netpatch verify evidence-pack.json</Code>
    </>
  );
}

function useHeadCheck(head: Head) {
  const intl = useIntl();
  const client = useClient();
  const { id } = useOrganization();
  const [isBusy, setBusy] = useState(false);
  const [result, setResult] = useState<{ steps: Step[]; at: Date } | null>(null);

  async function run() {
    setBusy(true);
    const before = remembered(id);
    const seen = before ? { ...before, when: intl.formatDate(before.at, { dateStyle: 'medium', timeStyle: 'short' }) } : null;
    const steps = await checkHead(head, seen, async (from, to) => {
      const { data } = await client.query(ConsistencyQuery, { id, from, to }, { requestPolicy: 'network-only' }).toPromise();
      return data?.organization?.ledgerConsistency?.path ?? null;
    });
    const at = new Date();
    if (steps.every((step) => step.holds === true)) {
      const { treeSize, rootHash, publicKey } = head;
      remember(id, { treeSize, rootHash, publicKey, at: at.toISOString() });
    }
    setResult({ steps, at });
    setBusy(false);
  }

  return { run, isBusy, result };
}
