import { describe, expect, it } from 'vitest';
import { fromBase64 } from './bytes.ts';
import { openNote } from './note.ts';

/** The example in the documentation of golang.org/x/mod/sumdb/note, from which the specification comes. */
const note =
  'If you think cryptography is the answer to your problem,\n' +
  "then you don't know what your problem is.\n\n" +
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';
const key = fromBase64('ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW').slice(1);

describe('signed notes', () => {
  it('opens the note of another program', async () => {
    expect(await openNote(note, 'PeterNeumann', key)).toMatch(/^If you think/);
  });

  it('refuses a changed text', async () => {
    expect(await openNote(note.replace('answer', 'Answer'), 'PeterNeumann', key)).toBeNull();
  });

  it('refuses another name and another key', async () => {
    expect(await openNote(note, 'Somebody', key)).toBeNull();
    const other = key.slice();
    other[3] = (other[3] ?? 0) ^ 1;
    expect(await openNote(note, 'PeterNeumann', other)).toBeNull();
  });

  it('refuses what is no note', async () => {
    await expect(openNote('no signatures\n', 'PeterNeumann', key)).rejects.toThrow(/empty line/);
  });
});
