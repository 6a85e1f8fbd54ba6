const letters = /^[BCDFGHJKLMNPQRSTVWXZ]{8}$/;

/** `BCDF-GHJK` from however a claim code was typed; null: it is none. */
export function readCode(typed: string): string | null {
  const plain = typed.toUpperCase().replaceAll(/[^A-Z]/g, '');
  return letters.test(plain) ? `${plain.slice(0, 4)}-${plain.slice(4)}` : null;
}

/** 64 hexadecimal digits in groups of four, for two people or two screens to compare. */
export function grouped(fingerprint: string): string {
  return fingerprint.replaceAll(/(.{4})(?=.)/g, '$1 ');
}
