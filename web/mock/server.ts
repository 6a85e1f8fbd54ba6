import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { execute, parse, subscribe, validate, type ExecutionArgs } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { root, type MockContext } from './resolvers.ts';
import { loadSchema } from './schema.ts';
import { people } from './stored.ts';
import { importFile } from './assets.ts';
import { World } from './world.ts';


const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json' };

/** As strict as the gateway's. */
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self' ws: wss:; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

function whoAsks(request: IncomingMessage): MockContext {
  const found = /(?:^|; )netpatch=([^;]+)/.exec(request.headers.cookie ?? '');
  return { email: found?.[1] ? decodeURIComponent(found[1]) : null };
}

async function body(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request) text += String(part);
  return text;
}

function answer(response: ServerResponse, status: number, value?: unknown, headers: Record<string, string> = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(value === undefined ? undefined : JSON.stringify(value));
}

/** A small platform in memory: GraphQL, sign-in, and the built portal from `dist`. */
export async function startMock(options: { dist?: string; port?: number } = {}) {
  const schema = loadSchema();
  const world = new World();
  const rootValue = root(world);

  async function graphql(request: IncomingMessage, response: ServerResponse) {
    if (request.headers['x-netpatch-csrf'] !== '1') return answer(response, 403, { errors: [{ message: 'the CSRF header is missing', extensions: { code: 'FORBIDDEN' } }] });
    const { query, variables, operationName } = JSON.parse(await body(request)) as { query: string; variables?: Record<string, unknown>; operationName?: string };
    const document = parse(query);
    const errors = validate(schema, document);
    if (errors.length > 0) return answer(response, 400, { errors });
    const result = await execute({ schema, document, rootValue, contextValue: whoAsks(request), variableValues: variables ?? {}, operationName: operationName ?? null });
    return answer(response, 200, result);
  }

  async function auth(request: IncomingMessage, response: ServerResponse, path: string) {
    if (path === '/auth/session') {
      const person = people.find((one) => one.email === whoAsks(request).email);
      return person ? answer(response, 200, { user: { name: person.name, email: person.email } }) : answer(response, 401);
    }
    if (path === '/auth/sign-out') return answer(response, 204, undefined, { 'set-cookie': 'netpatch=; Path=/; Max-Age=0' });
    const given = JSON.parse(await body(request)) as { email: string; password: string };
    const person = people.find((one) => one.email === given.email && one.password === given.password);
    if (!person) return answer(response, 401, { code: 'UNAUTHENTICATED' });
    return answer(response, 204, undefined, { 'set-cookie': `netpatch=${encodeURIComponent(person.email)}; Path=/; HttpOnly; SameSite=Lax` });
  }

  async function upload(request: IncomingMessage, response: ServerResponse) {
    if (request.headers['x-netpatch-csrf'] !== '1') return answer(response, 403, { errors: [{ message: 'the CSRF header is missing' }] });
    const { status, done } = importFile(await body(request), new URL(request.url ?? '/', 'http://mock').searchParams.get('dryRun') === 'true');
    return answer(response, status, done);
  }

  async function file(response: ServerResponse, path: string) {
    const dist = options.dist;
    if (!dist) return answer(response, 404);
    const wanted = extname(path) ? normalize(path) : '/index.html';
    try {
      const bytes = await readFile(join(dist, wanted));
      response.writeHead(200, { 'content-type': types[extname(wanted)] ?? 'application/octet-stream', 'content-security-policy': policy, 'x-content-type-options': 'nosniff' });
      response.end(bytes);
    } catch {
      answer(response, 404);
    }
  }

  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://mock').pathname;
    const work =
      path === '/graphql' ? graphql(request, response) : path.startsWith('/auth/') ? auth(request, response, path) : path === '/import/assets' ? upload(request, response) : path.startsWith('/reports/') ? Promise.resolve(answer(response, 200, { mock: true }, { 'content-disposition': 'attachment' })) : file(response, path);
    work.catch((error: unknown) => answer(response, 500, { errors: [{ message: String(error), extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: 'mock' } }] }));
  });
  const sockets = new WebSocketServer({ server, path: '/graphql' });
  const live = useServer(
    {
      schema,
      execute: (args: ExecutionArgs) => execute({ ...args, rootValue }),
      subscribe: (args: ExecutionArgs) => subscribe({ ...args, rootValue, subscribeFieldResolver: (source: Record<string, (a: unknown, c: unknown) => unknown>, given, context, info) => source[info.fieldName]?.(given, context) }),
      context: ({ extra }) => whoAsks((extra as { request: IncomingMessage }).request),
    },
    sockets,
  );
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    world,
    stop: async () => {
      await live.dispose();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
