import type { CombinedError } from 'urql';

/** What a person can do about an error. The id of a message. */
export type Advice = `problem.${'offline' | 'throttled' | 'forbidden' | 'upstream' | 'input' | 'unknown'}`;

function codes(error: CombinedError): string[] {
  return error.graphQLErrors.map((one) => String(one.extensions?.['code'] ?? ''));
}

/** Whether the gateway no longer knows who asks. */
export function isUnauthenticated(error: CombinedError) {
  return codes(error).includes('UNAUTHENTICATED') || (error.response as Response | undefined)?.status === 401;
}

const known: Record<string, Advice> = {
  THROTTLED: 'problem.throttled',
  COST_EXCEEDED: 'problem.throttled',
  FORBIDDEN: 'problem.forbidden',
  NOT_FOUND: 'problem.forbidden',
  UPSTREAM_UNAVAILABLE: 'problem.upstream',
  BAD_USER_INPUT: 'problem.input',
};

/** Which advice fits. */
export function adviceFor(error: CombinedError): Advice {
  if (error.networkError) return 'problem.offline';
  for (const code of codes(error)) {
    const advice = known[code];
    if (advice) return advice;
  }
  return 'problem.unknown';
}

/** What a person quotes to support. */
export function requestIdOf(error: CombinedError): string | undefined {
  const id = error.graphQLErrors[0]?.extensions?.['requestId'];
  return typeof id === 'string' ? id : undefined;
}
