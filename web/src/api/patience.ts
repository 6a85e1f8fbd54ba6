const longestWaitSeconds = 5;
const attempts = 3;

/**
 * `fetch` that waits when the gateway says that too much was asked at once (429 with `Retry-After`): nothing was done
 * then, so asking again is safe, also for a mutation. A long wait is left to the person.
 */
export async function patientFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  for (let attempt = 1; ; attempt += 1) {
    const response = await fetch(input, init);
    const seconds = Number(response.headers.get('retry-after') ?? '1');
    if (response.status !== 429 || attempt === attempts || !(seconds <= longestWaitSeconds)) return response;
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  }
}
