import { Alert, Button, FileInput, Group, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Dialog } from '../../ui/Dialog.tsx';
import { LineErrors } from './LineErrors.tsx';
import { sendAssets, type Upload } from './upload.ts';

/** A file of assets: checked first, then written, all of it or nothing. */
export function ImportDialog({ onClose }: { onClose: (isWritten: boolean) => void }) {
  const text = useText();
  const { id, name } = useOrganization();
  const [file, setFile] = useState<File | null>(null);
  // The same file with the same key is written once, however often the button is pressed.
  const [key, setKey] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [upload, setUpload] = useState<Upload | null>(null);
  const done = upload && 'done' in upload ? upload.done : null;

  function choose(next: File | null) {
    setFile(next);
    setKey(crypto.randomUUID());
    setUpload(null);
  }

  async function send(isDryRun: boolean) {
    if (!file) return;
    setBusy(true);
    setUpload(await sendAssets(id, file, key, isDryRun));
    setBusy(false);
  }

  const counts = done ? { created: done.created, changed: done.changed, unchanged: done.unchanged, ambiguous: done.ambiguous } : null;
  return (
    <Dialog title={text('assets.import.title', { organization: name })} onClose={() => onClose(done?.isWritten ?? false)}>
      <Stack>
        <Text size="sm">{text('assets.import.what')}</Text>
        <FileInput data-autofocus label={text('assets.import.file')} accept="text/csv,.csv" value={file} onChange={choose} />
        <div role="status">
          {counts && done?.errorCount === 0 ? <Text>{text(done.isWritten ? 'assets.import.written' : 'assets.import.would', counts)}</Text> : null}
          {done && done.ignoredColumns.length > 0 ? <Text className="np-muted">{text('assets.import.ignored', { columns: done.ignoredColumns.join(', ') })}</Text> : null}
        </div>
        {done && done.errorCount > 0 ? <LineErrors count={done.errorCount} errors={done.errors} /> : null}
        {upload && 'problem' in upload ? (
          <Alert variant="outline" color="red" title={text('assets.import.refused')}>
            {upload.problem}
          </Alert>
        ) : null}
        {done?.isWritten ? (
          <Button onClick={() => onClose(true)}>{text('assets.import.close')}</Button>
        ) : (
          <Group>
            <Button variant="default" disabled={!file} loading={isBusy} onClick={() => void send(true)}>
              {text('assets.import.check')}
            </Button>
            <Button disabled={!done || done.errorCount > 0} loading={isBusy} onClick={() => void send(false)}>
              {text('assets.import.write')}
            </Button>
          </Group>
        )}
      </Stack>
    </Dialog>
  );
}
