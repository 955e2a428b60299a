/**
 * A JSON API, as one of several servers: work that a user has begun goes on in its memory and is copied nowhere. It
 * takes the word of limpet that a token is good, and asks for one where there is none.
 *
 * `POST /work` and `GET /work`: how much there is; `GET /events`: as an event stream; WebSocket `/live`: the same.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

const [id = '', port = '0'] = process.argv.slice(2);
const work = new Map<string, number>();

const server = createServer((request, response) => {
  request.resume();
  request.on('error', () => {});
  if (request.url === '/healthz') return void response.writeHead(204).end();
  response.setHeader('X-Backend', id);
  const user = userOf(request);
  if (user === null) {
    response.writeHead(401, { 'WWW-Authenticate': 'Bearer', 'Content-Type': 'application/json' });
    return void response.end('{"error":"no token"}');
  }
  if (request.url === '/events') {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    return void response.write(`event: work\ndata: ${JSON.stringify({ done: work.get(user) ?? 0 })}\n\n`);
  }
  if (request.method === 'POST') work.set(user, (work.get(user) ?? 0) + 1);
  response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify({ user, done: work.get(user) ?? 0 }));
});

const sockets = new WebSocketServer({ server, path: '/live' });
sockets.on('connection', (socket, request) => {
  socket.on('error', () => {});
  socket.on('message', () => socket.send(`${id} ${work.get(userOf(request) ?? '') ?? 0}`));
});

server.listen(Number(port), '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit());

/** The user that a token is for. limpet has verified it. */
function userOf({ headers }: IncomingMessage): string | null {
  const payload = /^Bearer [^.]+\.([^.]+)\./.exec(headers.authorization ?? '')?.[1];
  return payload === undefined
    ? null
    : (JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sub: string }).sub;
}
