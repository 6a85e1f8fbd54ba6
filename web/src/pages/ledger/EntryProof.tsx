import { Button, Code, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { fromBase64 } from '../../proof/bytes.ts';
import { checkEntry, type EntryClaim, type Step } from '../../proof/ledger.ts';
import { Loaded } from '../../ui/Loaded.tsx';
import { Panel } from '../../ui/Page.tsx';
import { CheckpointQuery, ProofQuery } from './queries.ts';
import { Steps } from './Steps.tsx';

/** Checks one entry in this browser: bytes, path, signature. */
export function EntryProof({ id, onClose }: { id: string; onClose: () => void }) {
  const text = useText();
  const organization = useOrganization();
  const [proof, ask] = useQuery({ query: ProofQuery, variables: { id }, requestPolicy: 'network-only' });
  const [head] = useQuery({ query: CheckpointQuery, variables: { id: organization.id } });
  const node = proof.data?.node;
  const entry = node?.__typename === 'LedgerEntry' ? node : undefined;
  const publicKey = head.data?.organization?.ledgerCheckpoint?.publicKey;
  const close = (
    <Button size="xs" variant="default" onClick={onClose}>
      {text('runs.close')}
    </Button>
  );
  return (
    <Panel title={text('ledger.proof.title', { sequence: entry?.sequence ?? '…' })} id="proof" acts={close}>
      <Loaded state={proof} retry={() => ask({ requestPolicy: 'network-only' })}>
        {() =>
          entry?.proof && publicKey ? <Checked claim={{ ...entry, proof: entry.proof }} publicKey={publicKey} /> : <Text>{head.fetching ? text('app.loading') : text('ledger.proof.missing')}</Text>
        }
      </Loaded>
    </Panel>
  );
}

function Checked({ claim, publicKey }: { claim: EntryClaim; publicKey: string }) {
  const text = useText();
  const [result, setResult] = useState<{ steps: Step[]; at: Date } | null>(null);
  const key = JSON.stringify(claim);
  useEffect(() => {
    let isCurrent = true;
    void checkEntry(JSON.parse(key) as EntryClaim, publicKey).then((steps) => {
      if (isCurrent) setResult({ steps, at: new Date() });
    });
    return () => {
      isCurrent = false;
    };
  }, [key, publicKey]);
  return (
    <>
      {result ? <Steps steps={result.steps} at={result.at} /> : null}
      <details>
        <summary>{text('ledger.leaf')}</summary>
        <Code block tabIndex={0} role="region" aria-label={text('ledger.leaf')} style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
          {readable(claim.leaf)}
        </Code>
      </details>
    </>
  );
}

function readable(leaf: string): string {
  try {
    return new TextDecoder().decode(fromBase64(leaf));
  } catch {
    return leaf;
  }
}
