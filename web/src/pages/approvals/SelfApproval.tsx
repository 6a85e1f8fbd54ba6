import { Button, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { useText } from '../../i18n/text.ts';

/** Who asks cannot approve: says so, why, and what to do about it. */
export function SelfApproval() {
  const text = useText();
  const [isCopied, setCopied] = useState(false);
  const copy = () => {
    void navigator.clipboard.writeText(location.href).then(() => setCopied(true));
  };
  return (
    <div className="np-panel" role="alert" style={{ borderLeft: '6px solid var(--np-high-bg)' }}>
      <Stack gap="xs" align="flex-start">
        <Text fw={700}>{text('approval.self.title')}</Text>
        <Text>{text('approval.self.body')}</Text>
        <Button size="xs" variant="default" onClick={copy}>
          {text(isCopied ? 'approval.self.copied' : 'approval.self.copy')}
        </Button>
      </Stack>
    </div>
  );
}
