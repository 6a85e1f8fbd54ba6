import * as v from 'valibot';
import { csrfHeaders } from './client.ts';

const answer = v.object({ user: v.object({ name: v.string(), email: v.string() }) });

/** Who is signed in. */
export type Person = v.InferOutput<typeof answer>['user'];

/** Asks who is signed in; null: nobody. Throws when the gateway does not answer. */
export async function currentPerson(): Promise<Person | null> {
  const response = await fetch('/auth/session', { credentials: 'same-origin', headers: csrfHeaders });
  if (response.status === 401) return null;
  if (!response.ok) throw new Error(`the gateway answered ${response.status}`);
  return v.parse(answer, await response.json()).user;
}

/** How a sign-in went. */
export type SignIn = 'ok' | 'refused' | 'slow-down' | 'unreachable';

/** Signs in with a local account. */
export async function signIn(email: string, password: string): Promise<SignIn> {
  try {
    const response = await fetch('/auth/sign-in', {
      method: 'POST',
      credentials: 'same-origin',
      headers: { 'content-type': 'application/json', ...csrfHeaders },
      body: JSON.stringify({ email, password }),
    });
    if (response.ok) return 'ok';
    if (response.status === 429) return 'slow-down';
    return response.status >= 500 ? 'unreachable' : 'refused';
  } catch {
    return 'unreachable';
  }
}

/** Ends the session. */
export async function signOut() {
  await fetch('/auth/sign-out', { method: 'POST', credentials: 'same-origin', headers: csrfHeaders });
}
