/**
 * Signed notes (https://c2sp.org/signed-note) with Ed25519. A signature in the key's name that does not hold
 * refuses the note; signatures of unknown keys are ignored.
 */
import { fromBase64, isSame, joined, sha256, type Bytes } from './bytes.ts';

const ed25519 = 1;
const maxLength = 64 * 1024;

/** This browser's WebCrypto has no Ed25519. */
export class NoEd25519 extends Error {}

/** What the specification says against a text. */
export class NotANote extends Error {}

function split(note: string): { text: string; lines: string[] } {
  const at = note.lastIndexOf('\n\n');
  if (note.length > maxLength || at < 0 || !note.endsWith('\n')) throw new NotANote('an empty line stands before the signatures');
  const lines = note.slice(at + 2, -1).split('\n');
  if (lines.some((line) => !line.startsWith('\u2014 '))) throw new NotANote('a signature line begins with a dash');
  return { text: note.slice(0, at + 1), lines };
}

async function keyId(name: string, publicKey: Bytes): Promise<Bytes> {
  const hash = await sha256(new TextEncoder().encode(`${name}\n`), joined(Uint8Array.of(ed25519), publicKey));
  return hash.slice(0, 4);
}

async function importKey(publicKey: Bytes): Promise<CryptoKey> {
  try {
    return await crypto.subtle.importKey('raw', publicKey, 'Ed25519', false, ['verify']);
  } catch (cause) {
    if (publicKey.length !== 32) throw cause;
    throw new NoEd25519('this browser has no Ed25519', { cause });
  }
}

/** The text of a note if `publicKey` signed it under `name`; null if it did not. */
export async function openNote(note: string, name: string, publicKey: Bytes): Promise<string | null> {
  const { text, lines } = split(note);
  const id = await keyId(name, publicKey);
  const key = await importKey(publicKey);
  let isSigned = false;
  for (const line of lines) {
    const [, signer, encoded] = line.split(' ');
    if (signer !== name || !encoded) continue;
    const bytes = fromBase64(encoded);
    if (!isSame(bytes.slice(0, 4), id)) continue;
    if (!(await crypto.subtle.verify('Ed25519', key, bytes.slice(4), new TextEncoder().encode(text)))) return null;
    isSigned = true;
  }
  return isSigned ? text : null;
}
