import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type RawData, WebSocket } from 'ws';
import { runLimpet } from '../cli/run-limpet.ts';
import { Admin } from '../support/admin.ts';
import { type AppProcess, startApps } from '../support/app-process.ts';
import { type Answered, ask } from '../support/ask.ts';
import { CookieJar } from '../support/cookie-jar.ts';
import { eventually } from '../support/eventually.ts';
import type { LimpetProcess } from '../support/limpet.ts';
import { startExampleFile } from './start-scenario.ts';

const SERVER = new URL('./game/server.ts', import.meta.url);
const MS = 30_000;

/** What a server tells the players of a room. */
interface Told {
  readonly event: 'welcome' | 'here' | 'away' | 'gone' | 'out' | 'said';
  readonly name?: string;
  readonly text?: string;
  readonly server?: string;
  readonly turns?: number;
  readonly shots?: number;
}

/** One player with his browser. */
class Player {
  readonly name: string;
  readonly room: string;
  readonly told: Told[] = [];
  /** Code and reason of the Close that ended his WebSocket last; '' while it is open. */
  closed = '';
  readonly #jar = new CookieJar();
  readonly #limpet: LimpetProcess;
  #socket: WebSocket | null = null;

  constructor(limpet: LimpetProcess, room: string, name: string) {
    this.#limpet = limpet;
    this.room = room;
    this.name = name;
  }

  async post(path: string): Promise<Answered> {
    const answer = await ask(this.#limpet.url + path, { method: 'POST', headers: this.#jar.headers });
    return this.#jar.take(answer);
  }

  async join(more = ''): Promise<string> {
    const answer = await this.post(`/join?room=${this.room}&name=${this.name}${more}`);
    assert.equal(answer.status, 200, answer.body);
    assert.equal(answer.headers['limpet-user'], undefined);
    return answer.backend;
  }

  /** Opens his WebSocket; rejects when it is refused. */
  async open(): Promise<Told> {
    const seen = this.told.length;
    const socket = new WebSocket(`ws://127.0.0.1:${this.#limpet.port}/play`, { headers: this.#jar.headers });
    socket.on('message', (data: RawData) => this.told.push(JSON.parse(String(data)) as Told));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.on('open', resolve);
    socket.on('error', reject);
    await promise;
    this.#socket = socket;
    this.closed = '';
    socket.on('close', (code, reason) => {
      if (this.#socket === socket) this.closed = `${code} ${reason.toString()}`.trim();
    });
    return eventually('a welcome', () => this.told.slice(seen).find(({ event }) => event === 'welcome'), MS);
  }

  /** His connection breaks. */
  lose(): void {
    this.#socket?.terminate();
  }

  say(text: string): void {
    this.#socket!.send(text);
  }

  /** Settles when he has been told this of another player. */
  async hears(event: Told['event'], name: string, text?: string): Promise<void> {
    await eventually(
      `${this.name} to hear ${event} of ${name}`,
      () => this.told.some((told) => told.event === event && told.name === name && told.text === text),
      MS,
    );
  }
}

describe('a game: rooms of players, over three servers', () => {
  let servers: AppProcess[];
  let limpet: LimpetProcess;
  const everybody: Player[] = [];

  before(async () => {
    servers = await startApps(SERVER, 'a', 'b', 'c');
    for (const [i, { url }] of servers.entries()) {
      const replica = servers[(i + 1) % servers.length]!;
      assert.equal((await ask(`${url}/replica`, { method: 'PUT', body: replica.url })).status, 200);
    }
    // Servers of a busy machine are not dead: who is killed refuses connections.
    limpet = await startExampleFile('game', servers, { PROBE: '30s' });
  });
  after(async () => {
    for (const player of everybody) player.lose();
    await limpet?.stop();
    await Promise.all(servers?.map((server) => server.kill()) ?? []);
  });

  /** So many players who join the room at the same moment and open their WebSockets. */
  async function seated(room: string, count: number, more = ''): Promise<{ players: Player[]; server: string }> {
    const players = Array.from({ length: count }, (_, i) => new Player(limpet, room, `${room}-${i}`));
    everybody.push(...players);
    const [server, ...others] = await Promise.all(players.map((player) => player.join(more)));
    for (const other of others) assert.equal(other, server, 'all players of a room are on one server');
    for (const told of await Promise.all(players.map((player) => player.open()))) assert.equal(told.server, server);
    return { players, server: server! };
  }

  async function board(room: string): Promise<{ server: string; turns: number; players: string[] }> {
    const answer = await ask(`${limpet.url}/board?room=${room}`);
    assert.equal(answer.status, 200, answer.body);
    return JSON.parse(answer.body) as { server: string; turns: number; players: string[] };
  }

  test('18: all who join a room at the same moment are on one server, and hear each other', async () => {
    const rooms = await Promise.all(['red', 'green', 'blue', 'black', 'white', 'gold'].map((room) => seated(room, 4)));
    assert.deepEqual([...new Set(rooms.map(({ server }) => server))].sort(), ['a', 'b', 'c']);
    for (const { players } of rooms) {
      players[0]!.say('hello');
      for (const player of players) await player.hears('said', players[0]!.name, 'hello');
    }
    const [one, two] = rooms;
    assert.ok(one!.players.every(({ told }) => told.every(({ name }) => name === undefined || name.startsWith('red'))));
    assert.equal((await board(two!.players[0]!.room)).players.length, 4);
  });

  test('turns that are posted at the same moment are applied one at a time', async () => {
    const { players, server } = await seated('chess', 4);
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => players[i % players.length]!.post('/turn?room=chess')),
    );
    const turns = answers.map(({ status, code, body }) => {
      assert.deepEqual([status, code], [200, '']);
      return (JSON.parse(body) as { turn: number }).turn;
    });
    assert.deepEqual(
      turns.sort((x, y) => x - y),
      Array.from({ length: 40 }, (_, i) => i + 1),
    );
    assert.deepEqual(await board('chess'), { server, turns: 40, players: players.map(({ name }) => name).sort() });
    for (const { closed } of players) assert.equal(closed, '', 'a WebSocket holds nobody up, and nobody holds it up');
  });

  test('a player who has lost his connection comes back to his seat; one who stays away loses it', async () => {
    const { players, server } = await seated('poker', 3);
    const [player, other] = players;
    assert.equal((await player!.post('/shoot')).backend, server);
    player!.lose();
    await other!.hears('away', player!.name);
    const { shots, server: again } = await player!.open();
    assert.deepEqual([again, shots], [server, 1]);
    other!.say('wb');
    await player!.hears('said', other!.name, 'wb');

    const { players: hasty } = await seated('blitz', 2, '&grace=50');
    hasty[0]!.lose();
    await hasty[1]!.hears('gone', hasty[0]!.name);
    await assert.rejects(hasty[0]!.open(), /403/);
    assert.deepEqual((await board('blitz')).players, [hasty[1]!.name]);
  });

  test('who shoots too fast is slowed down, and nobody else', async () => {
    const { players } = await seated('duel', 2);
    const [bot, other] = players;
    const flood = Array.from({ length: 200 }, () => bot!.post('/shoot'));
    const shot = await other!.post('/shoot');
    assert.equal(shot.status, 200);
    other!.say('unfair');
    await other!.hears('said', other!.name, 'unfair');
    const answers = await Promise.all(flood);
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length > 0 && refused.length < answers.length);
    for (const { code, headers } of refused) {
      assert.equal(code, 'RATE_LIMITED');
      assert.match(headers['retry-after'] ?? '', /^[1-9]\d*$/);
    }
    for (const { status } of answers) assert.ok(status === 200 || status === 429, `${status}`);
    await eventually('to shoot again', async () => (await bot!.post('/shoot')).status === 200);
    assert.equal(bot!.closed, '');
  });

  test('a cheater’s session is ended: his WebSocket is closed with 1008, his seat is gone, the others play on', async () => {
    const { players, server } = await seated('casino', 3);
    const [cheater, ...others] = players;
    const limpetSessions = async (...args: string[]) => {
      const ended = await runLimpet(['sessions', ...args, '--admin', limpet.admin]);
      assert.deepEqual([ended.status, ended.stderr], [0, '']);
      return ended.stdout;
    };
    const key = await eventually('the session of the cheater', async () => {
      const { sessions } = JSON.parse(await limpetSessions('list', '--user', cheater!.name, '--json')) as {
        sessions: { key: string; backend: string; user: string }[];
      };
      const [session] = sessions;
      if (session === undefined) return null;
      assert.deepEqual([sessions.length, session.backend, session.user], [1, server, cheater!.name]);
      return session.key;
    });
    await limpetSessions('end', key);
    await eventually('his WebSocket to be closed', () => cheater!.closed !== '', MS);
    assert.equal(cheater!.closed, '1008 session ended');
    for (const other of others) await other.hears('out', cheater!.name);
    await assert.rejects(cheater!.open(), /403/);
    assert.equal((await cheater!.post('/turn?room=casino')).status, 403);

    others[0]!.say('good riddance');
    await others[1]!.hears('said', others[0]!.name, 'good riddance');
    assert.equal((await others[1]!.post('/turn?room=casino')).status, 200);
    const { players: left, turns } = await board('casino');
    assert.deepEqual([left, turns], [others.map(({ name }) => name).sort(), 1]);
    for (const { closed } of others) assert.equal(closed, '');
  });

  test('33: a server is killed: the players of its rooms come back to its replica together, and go on where they were', async () => {
    const tables = await Promise.all(['north', 'east', 'south', 'west', 'up', 'down'].map((room) => seated(room, 4)));
    const dead = servers.find(({ id }) => id === tables[0]!.server)!;
    const replica = servers[(servers.indexOf(dead) + 1) % servers.length]!.id;
    for (const { players } of tables) {
      assert.equal((await players[0]!.post(`/turn?room=${players[0]!.room}`)).status, 200);
      assert.equal((await players[1]!.post('/shoot')).status, 200);
    }
    await dead.kill();
    const lost = tables.filter(({ server }) => server === dead.id);
    for (const { players } of lost) {
      await eventually('the WebSockets to break', () => players.every(({ closed }) => closed !== ''), MS);
      // As a client does: it tries until somebody answers.
      const welcomes = await Promise.all(
        players.map((player) => eventually('to be back', () => player.open().catch(() => null), MS)),
      );
      assert.deepEqual(
        welcomes.map(({ server, turns, shots }) => [server, turns, shots]),
        players.map((_, i) => [replica, 1, i === 1 ? 1 : 0]),
      );
      const [first, second] = players;
      first!.say('still here');
      for (const player of players) await player.hears('said', first!.name, 'still here');
      const turn = await second!.post(`/turn?room=${second!.room}`);
      assert.deepEqual([turn.status, turn.backend, JSON.parse(turn.body)], [200, replica, { turn: 2 }]);
    }
    for (const { players, server } of tables) {
      if (server === dead.id) continue;
      for (const { closed } of players) assert.equal(closed, '');
      assert.equal((await board(players[0]!.room)).server, server);
    }
    const moved = (await new Admin(limpet.admin).sessions('game')).filter(({ moves }) => moves > 0);
    assert.ok(moved.length >= lost.length * 5);
    assert.ok(moved.every(({ backend }) => backend === replica));
    assert.equal(limpet.stderr(), '');
  });
});
