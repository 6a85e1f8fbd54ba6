import { useState } from 'react';
import { useMutation, type TypedDocumentNode } from 'urql';

/** What every payload carries. */
export interface UserErrorShape {
  code: string;
  message: string;
}

/** Runs a mutation; an idempotency key is kept until it went through, so that pressing again cannot do it twice. */
export function useChange<Data, Input extends { idempotencyKey: string }>(
  document: TypedDocumentNode<Data, { input: Input }>,
  payload: (data: Data) => { userErrors: readonly UserErrorShape[] },
) {
  const [result, execute] = useMutation<Data, { input: Input }>(document);
  const [errors, setErrors] = useState<readonly UserErrorShape[]>([]);
  const [attempt, setAttempt] = useState({ body: '', key: '' });

  async function run(input: Omit<Input, 'idempotencyKey'>): Promise<Data | undefined> {
    const body = JSON.stringify(input);
    const key = attempt.body === body ? attempt.key : crypto.randomUUID();
    setAttempt({ body, key });
    setErrors([]);
    const { data, error } = await execute({ input: { ...input, idempotencyKey: key } as Input });
    if (error || !data) return undefined;
    const refused = payload(data).userErrors;
    setErrors(refused);
    setAttempt({ body: '', key: '' });
    return refused.length === 0 ? data : undefined;
  }

  return { run, errors, error: result.error, isBusy: result.fetching };
}
