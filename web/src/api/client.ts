import { Client, fetchExchange, mapExchange, subscriptionExchange } from 'urql';
import { createClient as createSocket } from 'graphql-ws';
import { cache } from './cache.ts';
import { setLiveness } from './connection.ts';
import { isUnauthenticated } from './errors.ts';
import { patientFetch } from './patience.ts';

/** The header that a cross-site form cannot send. */
export const csrfHeaders = { 'X-NetPatch-CSRF': '1' };

function socketUrl() {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`;
}

function liveUpdates() {
  const socket = createSocket({
    url: socketUrl,
    lazy: true,
    retryAttempts: Infinity,
    shouldRetry: () => true,
    on: {
      connecting: (isRetry) => setLiveness(isRetry ? 'offline' : 'catching-up'),
      connected: () => setLiveness('live'),
      closed: (event) => setLiveness((event as { code?: number }).code === 1000 ? 'idle' : 'offline'),
    },
  });
  return subscriptionExchange({
    forwardSubscription: (request) => ({
      subscribe: (sink) => ({
        unsubscribe: socket.subscribe({ ...request, query: request.query ?? '' }, sink),
      }),
    }),
  });
}

/** The client of one signed-in session. `onSignedOut` is called when the gateway no longer knows the session. */
export function createClient(onSignedOut: () => void) {
  return new Client({
    url: '/graphql',
    preferGetMethod: false,
    fetch: patientFetch,
    requestPolicy: 'cache-and-network',
    fetchOptions: { credentials: 'same-origin', headers: csrfHeaders },
    exchanges: [
      mapExchange({
        onError: (error) => {
          if (isUnauthenticated(error)) onSignedOut();
        },
      }),
      cache(),
      fetchExchange,
      liveUpdates(),
    ],
  });
}
