import { describe, expect, it } from 'vitest';
import { read } from './upload.ts';

const nothing = { created: 0, changed: 0, unchanged: 0, ambiguous: 0, isDryRun: false, isWritten: false, ignoredColumns: [], errorCount: 0, errors: [] };

describe('the answer to a file', () => {
  it('has counts, or errors by line and column', () => {
    const error = { line: 2, column: 'eol', message: 'is no day', remedy: 'write it as 2027-01-31' };
    expect(read({ ...nothing, errorCount: 1, errors: [error] }, 422)).toEqual({ done: { ...nothing, errorCount: 1, errors: [error] } });
  });

  it('or a reason why it was not looked at', () => {
    expect(read({ errors: [{ message: 'send the file as text/csv', extensions: { code: 'BAD_USER_INPUT' } }] }, 400)).toEqual({ problem: 'send the file as text/csv' });
    expect(read('<html>', 502)).toEqual({ problem: '502' });
  });
});
