/** The signed head of a log (https://c2sp.org/tlog-checkpoint): origin, size, root, as a signed note. */
import { fromBase64, type Bytes } from './bytes.ts';
import { NotANote, openNote } from './note.ts';

/** A log's head. */
export interface Checkpoint {
  /** Which log; also the name under which its key signs. */
  origin: string;
  size: bigint;
  root: Bytes;
}

/** Reads the text of a checkpoint; says nothing about who signed it. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin, size, root] = text.split('\n');
  if (!origin || !size || !root || !/^(0|[1-9][0-9]*)$/.test(size)) throw new NotANote('a checkpoint is origin, size, root');
  return { origin, size: BigInt(size), root: fromBase64(root) };
}

/** The checkpoint of a note that the key signed under the log's own name; null if it did not. */
export async function openCheckpoint(note: string, publicKey: Bytes): Promise<Checkpoint | null> {
  const claimed = parseCheckpoint(note);
  const text = await openNote(note, claimed.origin, publicKey);
  return text === null ? null : parseCheckpoint(text);
}
