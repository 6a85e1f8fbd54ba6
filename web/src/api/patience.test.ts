import { afterEach, expect, it, vi } from 'vitest';
import { patientFetch } from './patience.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

function answering(...answers: Response[]) {
  const stub = vi.fn(() => Promise.resolve(answers.shift() ?? new Response('late')));
  vi.stubGlobal('fetch', stub);
  return stub;
}

const slowDown = (seconds: string) => new Response(null, { status: 429, headers: { 'retry-after': seconds } });

it('asks again after the wait that the gateway names', async () => {
  const stub = answering(slowDown('0'), new Response('fine'));
  expect(await (await patientFetch('/graphql')).text()).toBe('fine');
  expect(stub).toHaveBeenCalledTimes(2);
});

it('gives up after three times', async () => {
  const stub = answering(slowDown('0'), slowDown('0'), slowDown('0'));
  expect((await patientFetch('/graphql')).status).toBe(429);
  expect(stub).toHaveBeenCalledTimes(3);
});

it('leaves a long wait to the person, and other answers alone', async () => {
  const patient = answering(slowDown('60'));
  expect((await patientFetch('/graphql')).status).toBe(429);
  expect(patient).toHaveBeenCalledTimes(1);
  const stub = answering(new Response(null, { status: 503 }));
  expect((await patientFetch('/graphql')).status).toBe(503);
  expect(stub).toHaveBeenCalledTimes(1);
});
