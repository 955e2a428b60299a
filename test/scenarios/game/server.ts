// A server of a game in a process of its own, with the rooms in its memory: node server.ts ID PORT
//
//   POST /join?room=R&name=N[&grace=MS]  a seat in the room, named by the cookie `seat`; the first one to join says how
//                                        long seats are kept
//   GET  /play                           WebSocket of the seat: what happens in the room, and what its players say
//   POST /turn?room=R                    the next turn, read, thought about and written without a lock
//   POST /shoot                          a shot of the seat
//   GET  /board?room=R                   the room as it stands
// For its operator, not through the load balancer:
//   PUT  /replica                        the server that it copies its rooms to
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json, text } from 'node:stream/consumers';
import { type WebSocket, WebSocketServer } from 'ws';

/** Close of a WebSocket: its session has been ended (RFC 6455 7.4.1). */
const POLICY_VIOLATION = 1008;
const GRACE_MS = 30_000;

interface Seat {
  readonly token: string;
  readonly name: string;
  shots: number;
}

/** What a server knows of a room, and copies to its replica. */
interface Room {
  readonly name: string;
  /** How long a seat is kept for a player who has lost his connection, ms. */
  readonly grace: number;
  turns: number;
  seats: Seat[];
}

const [id = 'x', port = '0'] = process.argv.slice(2);
let replica = '';
const rooms = new Map<string, Room>();
/** By token. */
const sockets = new Map<string, WebSocket>();
/** Seats that are kept for players who are away; by token. */
const kept = new Map<string, NodeJS.Timeout>();

async function copy(room: Room): Promise<void> {
  await fetch(`${replica}/copy`, { method: 'POST', body: JSON.stringify(room) }).catch(() => {});
}

/** Whose request it is. */
function seatOf({ headers }: IncomingMessage): { room: Room; seat: Seat } | null {
  const token = /(?:^|; )seat=([^;]*)/.exec(headers.cookie ?? '')?.[1];
  for (const room of rooms.values()) {
    const seat = room.seats.find((one) => one.token === token);
    if (seat !== undefined) return { room, seat };
  }
  return null;
}

function tell(room: Room, what: object): void {
  for (const { token } of room.seats) sockets.get(token)?.send(JSON.stringify(what));
}

function removeSeat(room: Room, seat: Seat, event: 'out' | 'gone'): void {
  kept.delete(seat.token);
  room.seats = room.seats.filter((one) => one !== seat);
  void copy(room).then(() => tell(room, { event, name: seat.name }));
}

function onOpen(socket: WebSocket, room: Room, seat: Seat): void {
  const { token, name } = seat;
  clearTimeout(kept.get(token));
  kept.delete(token);
  sockets.get(token)?.terminate();
  sockets.set(token, socket);
  socket.on('error', () => {});
  socket.on('message', (data) => tell(room, { event: 'said', name, text: String(data) }));
  socket.on('close', (code) => {
    if (sockets.get(token) !== socket) return;
    sockets.delete(token);
    // Put out by whoever runs the load balancer: nothing is kept for him.
    if (code === POLICY_VIOLATION) return removeSeat(room, seat, 'out');
    tell(room, { event: 'away', name });
    kept.set(
      token,
      setTimeout(() => removeSeat(room, seat, 'gone'), room.grace),
    );
  });
  socket.send(JSON.stringify({ event: 'welcome', server: id, turns: room.turns, shots: seat.shots }));
  tell(room, { event: 'here', name });
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://x');
  const say = (status: number, document: object = {}): void => {
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(document));
  };
  response.setHeader('X-Backend', id);
  const name = searchParams.get('room') ?? '';
  switch (`${request.method} ${pathname}`) {
    case 'GET /healthz':
      return say(200);
    case 'PUT /replica':
      replica = await text(request);
      return say(200);
    case 'POST /copy': {
      const room = (await json(request)) as Room;
      rooms.set(room.name, room);
      return say(200);
    }
    case 'POST /join': {
      const player = searchParams.get('name') ?? '';
      const grace = Number(searchParams.get('grace') ?? GRACE_MS);
      const room = rooms.get(name) ?? { name, grace, turns: 0, seats: [] };
      const seat = { token: randomUUID(), name: player, shots: 0 };
      rooms.set(name, room);
      room.seats.push(seat);
      await copy(room);
      response.setHeader('Set-Cookie', `seat=${seat.token}; Path=/; HttpOnly; SameSite=Lax`);
      response.setHeader('Limpet-User', player);
      return say(200, { server: id });
    }
    case 'GET /board': {
      const room = rooms.get(name);
      if (room === undefined) return say(404);
      return say(200, { server: id, turns: room.turns, players: room.seats.map((seat) => seat.name).sort() });
    }
  }
  const found = seatOf(request);
  if (found === null) return say(403);
  const { room, seat } = found;
  switch (`${request.method} ${pathname}`) {
    case 'POST /turn': {
      if (room.name !== name) return say(403);
      const turn = room.turns + 1;
      await new Promise((resolve) => setTimeout(resolve, 1 + Math.random() * 3));
      room.turns = turn;
      await copy(room);
      return say(200, { turn });
    }
    case 'POST /shoot':
      seat.shots++;
      await copy(room);
      return say(200, { shots: seat.shots });
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
const players = new WebSocketServer({ noServer: true });
server.on('upgrade', (request, socket, head) => {
  const found = seatOf(request);
  if (found === null) socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
  else players.handleUpgrade(request, socket, head, (webSocket) => onOpen(webSocket, found.room, found.seat));
});
server.listen(Number(port), '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit());
