import { Button } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { useQuery } from 'urql';
import { useText } from '../../i18n/text.ts';
import { Loaded } from '../../ui/Loaded.tsx';
import { Panel } from '../../ui/Page.tsx';
import { ApprovalFacts } from './ApprovalFacts.tsx';
import { Decisions } from './Decisions.tsx';
import { DecisionForm } from './DecisionForm.tsx';
import { ApprovalQuery } from './queries.ts';

/** Everything needed to decide about one approval, and the decision. Focus moves here when it opens. */
export function ApprovalPanel({ id, onClose }: { id: string; onClose: () => void }) {
  const text = useText();
  const [state, ask] = useQuery({ query: ApprovalQuery, variables: { id } });
  const box = useRef<HTMLDivElement>(null);
  const node = state.data?.node;
  const approval = node?.__typename === 'Approval' ? node : undefined;
  const isThere = Boolean(approval);
  useEffect(() => {
    if (isThere) box.current?.focus();
  }, [isThere]);
  const close = (
    <Button size="xs" variant="default" onClick={onClose}>
      {text('dialog.cancel')}
    </Button>
  );
  return (
    <div ref={box} tabIndex={-1}>
      <Panel title={approval?.title ?? text('approvals.subject')} id="approval" acts={close}>
        <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
          {() =>
            approval ? (
              <>
                <ApprovalFacts approval={approval} />
                <Decisions approval={approval} />
                {approval.status === 'AWAITING' ? <DecisionForm approval={approval} /> : null}
              </>
            ) : (
              text('problem.forbidden')
            )
          }
        </Loaded>
      </Panel>
    </div>
  );
}
