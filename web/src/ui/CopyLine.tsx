import { Button, Code, Group } from '@mantine/core';
import { useState } from 'react';
import { useText } from '../i18n/text.ts';

/** A line to be run or kept elsewhere, with a button that copies it where the browser allows that. */
export function CopyLine({ label, line }: { label: string; line: string }) {
  const text = useText();
  const [copied, setCopied] = useState('');
  const isCopied = copied === line;
  async function copy() {
    await navigator.clipboard.writeText(line);
    setCopied(line);
  }
  return (
    <Group className="np-copy" align="flex-start" wrap="nowrap" gap="xs">
      <Code block tabIndex={0} role="region" aria-label={label} className="np-copy-line">
        {line}
      </Code>
      {/* Browsers give the clipboard only to pages that came over HTTPS or from this machine. */}
      {'clipboard' in navigator ? (
        <Button variant="default" size="xs" onClick={() => void copy()} aria-label={text(isCopied ? 'copy.done.of' : 'copy.of', { label })}>
          {text(isCopied ? 'copy.done' : 'copy')}
        </Button>
      ) : null}
    </Group>
  );
}
