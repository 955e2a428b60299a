// A server of a streaming service in a process of its own, with log-ins and positions in its memory: node server.ts ID
// PORT
//
//   POST /api/login?user=U    204; the device is logged in
//   POST /api/logout          204
//   GET  /api/me              what the server knows of the device
//   GET  /api/position?film=F where the user is in the film, on whatever device
//   GET  /api/watch?film=F    the film from there on: an event a second of the film to those who accept events, one
//        byte a second to others
//   POST /api/pause           the device's streams stand still
// For its operator, not through the load balancer:
//   PUT  /peers               where it copies log-ins and positions to, as JSON
//   POST /curtain?film=F      the film is over
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** A second of a film takes so long. */
const SECOND_MS = 100;

/** A device that is logged in. */
interface LogIn {
  readonly user: string;
  /** The session of the load balancer that came first with it, and the only one that may: '' so far. */
  session: string;
}

/** What a server tells its peers. */
interface Change {
  readonly logIn?: { readonly token: string; readonly value: LogIn | null };
  /** `when`, ms since the epoch: copies may overtake each other. */
  readonly position?: { readonly of: string; readonly at: number; readonly when: number };
}

const [id = 'x', port = '0'] = process.argv.slice(2);
let peers: string[] = [];
const logIns = new Map<string, LogIn>();
/** Seconds, by user and film. */
const positions = new Map<string, { readonly at: number; readonly when: number }>();
const curtains = new Set<string>();
const paused = new Set<string>();

function apply({ logIn, position }: Change): void {
  if (logIn?.value) logIns.set(logIn.token, logIn.value);
  else if (logIn) logIns.delete(logIn.token);
  if (position && position.when > (positions.get(position.of)?.when ?? 0)) positions.set(position.of, position);
}

/** Makes a change here and at all peers that are there. */
async function change(what: Change): Promise<void> {
  apply(what);
  const body = JSON.stringify(what);
  await Promise.all(peers.map((peer) => fetch(`${peer}/copy`, { method: 'POST', body }).catch(() => {})));
}

const tokenOf = ({ headers }: IncomingMessage): string =>
  /(?:^|; )account=([^;]*)/.exec(headers.cookie ?? '')?.[1] ?? '';

/** Who is logged in with this request: the log-in holds for one session, so that it ends with it. */
async function userOf(request: IncomingMessage): Promise<string | null> {
  const token = tokenOf(request);
  const logIn = logIns.get(token);
  const session = String(request.headers['limpet-session'] ?? '');
  if (logIn === undefined || session === '') return null;
  if (logIn.session === '') await change({ logIn: { token, value: { ...logIn, session } } });
  return logIns.get(token)?.session === session ? logIn.user : null;
}

function play(request: IncomingMessage, response: ServerResponse, user: string, film: string): void {
  const session = String(request.headers['limpet-session']);
  const of = `${user} ${film}`;
  const events = request.headers.accept === 'text/event-stream';
  let at = positions.get(of)?.at ?? 0;
  response.writeHead(200, { 'Content-Type': events ? 'text/event-stream' : 'video/mp4' });
  const tick = (): void => {
    if (paused.has(session)) return;
    at++;
    void change({ position: { of, at, when: performance.timeOrigin + performance.now() } });
    response.write(events ? `event: at\ndata: ${JSON.stringify({ at, server: id })}\n\n` : '.');
    if (!curtains.has(film)) return;
    clearInterval(timer);
    response.end(events ? 'event: end\ndata: {}\n\n' : '');
  };
  const timer = setInterval(tick, SECOND_MS);
  response.on('close', () => clearInterval(timer));
  tick();
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://x');
  const film = searchParams.get('film') ?? '';
  const say = (status: number, document: object | null = null): void => {
    response.writeHead(status, document === null ? {} : { 'Content-Type': 'application/json' });
    response.end(document === null ? '' : JSON.stringify(document));
  };
  response.setHeader('X-Backend', id);
  switch (`${request.method} ${pathname}`) {
    case 'GET /healthz':
      return say(200);
    case 'PUT /peers':
      peers = (await json(request)) as string[];
      return say(204);
    case 'POST /copy':
      apply((await json(request)) as Change);
      return say(204);
    case 'POST /curtain':
      curtains.add(film);
      return say(204);
    case 'POST /api/login': {
      const token = randomUUID();
      const user = searchParams.get('user') ?? '';
      await change({ logIn: { token, value: { user, session: '' } } });
      response.setHeader('Limpet-User', user);
      response.setHeader('Set-Cookie', `account=${token}; Path=/api/; HttpOnly; SameSite=Lax`);
      return say(204);
    }
  }
  const user = await userOf(request);
  const session = request.headers['limpet-session'] ?? null;
  const moved = request.headers['limpet-session-moved'] ?? null;
  const expired = request.headers['limpet-session-expired'] ?? null;
  if (user === null) return say(401, { error: 'log in', session, expired });
  switch (`${request.method} ${pathname}`) {
    case 'GET /api/me':
      return say(200, { user, session, moved });
    case 'GET /api/position':
      return say(200, { at: positions.get(`${user} ${film}`)?.at ?? 0 });
    case 'GET /api/watch':
      paused.delete(String(session));
      return play(request, response, user, film);
    case 'POST /api/pause':
      paused.add(String(session));
      return say(204);
    case 'POST /api/logout':
      await change({ logIn: { token: tokenOf(request), value: null } });
      return say(204);
    default:
      return say(404);
  }
}

const server = createServer((request, response) => {
  response.on('error', () => {});
  answer(request, response).catch((error: unknown) => {
    console.error(`server ${id}: ${request.method} ${request.url}:`, error);
    response.destroy();
  });
});
server.listen(Number(port), '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit());
