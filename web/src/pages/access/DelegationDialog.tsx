import { Stack, Text, Textarea } from '@mantine/core';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText, useWord } from '../../i18n/text.ts';
import { Acts } from '../../ui/Acts.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { DecideDelegation, type Delegation } from './queries.ts';

/** What a person is about to decide. */
export interface Wanted {
  delegation: Delegation;
  isApproved: boolean;
}

/** Says who gets or loses what, and asks for the reason. */
export function DelegationDialog({ wanted, onClose }: { wanted: Wanted; onClose: () => void }) {
  const text = useText();
  const word = useWord();
  const { name: customer } = useOrganization();
  const [reason, setReason] = useState('');
  const change = useChange(DecideDelegation, (data) => data.delegationDecide);
  const { delegation, isApproved } = wanted;
  const partner = delegation.partner?.name ?? text('unknown.value');
  const roles = delegation.roles.map((role) => word('role', role)).join(', ');

  async function commit() {
    if (await change.run({ id: delegation.id, isApproved, reason: reason.trim() })) onClose();
  }

  return (
    <Dialog title={text(isApproved ? 'access.partner.let' : 'access.partner.end', { partner })} onClose={onClose}>
      <Stack>
        <Text>{text(isApproved ? 'access.partner.let.what' : 'access.partner.end.what', { partner, customer, roles })}</Text>
        <Textarea data-autofocus label={text('dialog.reason')} description={text('dialog.reason.hint')} maxLength={500} value={reason} onChange={(event) => setReason(event.currentTarget.value)} />
        <Acts label={text(isApproved ? 'approval.approve' : 'access.revoke')} change={change} isOff={reason.trim().length < 3} onCommit={() => void commit()} onCancel={onClose} />
      </Stack>
    </Dialog>
  );
}
