import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { TimerWheel } from '../../src/timing/timer-wheel.ts';
import { Tunnel } from '../../src/tunnel/tunnel.ts';
import type { TunnelEnd } from '../../src/tunnel/tunnel-end.ts';
import { SeededRandom } from '../fuzz/seeded-random.ts';
import { type DirectPair, DirectPairs } from '../support/direct-pairs.ts';
import { eventually } from '../support/eventually.ts';

const IDLE_MS = 60_000;
const LAST_MS = 20_000;
const TOTAL = 2 * 2 ** 20;
/** More than the system takes of a connection whose other end does not read. */
const PLENTY = 64 * 2 ** 20;

/** One end of a tunnel as the peer has it. */
class Peer {
  readonly socket: Socket;
  readonly hash = createHash('sha256');
  bytes = 0;
  ended = false;
  closed = false;
  error: NodeJS.ErrnoException | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.allowHalfOpen = true;
    socket.on('error', (error) => {
      this.error = error;
    });
    socket.on('end', () => {
      this.ended = true;
    });
    socket.on('close', () => {
      this.closed = true;
    });
  }

  /** Begins to read. @param slow stops after each piece until everything else has had its turn */
  read(slow = false): void {
    this.socket.on('data', (bytes: Buffer) => {
      this.bytes += bytes.length;
      this.hash.update(bytes);
      if (!slow) return;
      this.socket.pause();
      setImmediate(() => this.socket.resume());
    });
  }

  /** Sends so many bytes in pieces of any size, behind `early`. Settles with the hash of all of them. */
  async send(total: number, seed: number, early = ''): Promise<string> {
    const random = new SeededRandom(seed);
    const hash = createHash('sha256').update(early);
    for (let left = total; left > 0; ) {
      const size = Math.min(left, random.pick([1, 7, 1_000, 16_384, 16_385, 65_537]));
      const piece = Buffer.alloc(size, random.below(256));
      left -= size;
      hash.update(piece);
      await new Promise<void>((resolve) => this.socket.write(piece, () => resolve()));
    }
    return hash.digest('hex');
  }
}

/** A tunnel over real connections, on a wheel that turns when a test says so. */
class Tunnelled {
  readonly client: Peer;
  readonly backend: Peer;
  readonly tunnel: Tunnel;
  readonly counts = { bytesIn: 0, bytesOut: 0 };
  /** What its owner was told, in order. */
  readonly told: string[] = [];
  #now: number;
  readonly #wheel: TimerWheel;

  constructor(client: DirectPair, backend: DirectPair, idleMs: number) {
    this.client = new Peer(client.peer);
    this.backend = new Peer(backend.peer);
    this.#wheel = new TimerWheel();
    this.#now = this.#wheel.lookedAt;
    backend.direct.resume();
    this.tunnel = new Tunnel({
      client: { socket: client.direct, lastMs: LAST_MS, onClosed: (lost) => this.#tell('client closed', lost) },
      backend: { socket: backend.direct, lastMs: LAST_MS, onClosed: (lost) => this.#tell('backend closed', lost) },
      wheel: this.#wheel,
      idleMs,
      counts: this.counts,
      websocket: null,
      events: {
        onTunnelEnd: (why: TunnelEnd) => this.#tell(`end: ${why}`),
        onTunnelDefect: (error) => this.#tell(`defect: ${error}`),
      },
    });
  }

  #tell(what: string, lost = true): void {
    this.told.push(lost ? what : `${what} by us`);
  }

  /** Lets so much time pass, in steps in which nothing is late. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 50) {
      this.#now += 50;
      this.#wheel.advance(this.#now);
    }
  }

  until(...told: string[]): Promise<true> {
    return eventually(told.join(', '), () => told.every((what) => this.told.includes(what)), 20_000);
  }

  close(): void {
    this.client.socket.destroy();
    this.backend.socket.destroy();
    this.tunnel.abandon();
    this.tunnel.cut();
  }
}

let pairs: DirectPairs;
const opened: Tunnelled[] = [];
before(async () => {
  pairs = await DirectPairs.listen();
});
after(() => pairs.close());
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

async function open(idleMs = IDLE_MS): Promise<Tunnelled> {
  const one = new Tunnelled(await pairs.open({}), await pairs.open({}), idleMs);
  opened.push(one);
  return one;
}

/** Enough turns of the event loop for everything to happen that is about to. */
async function turns(): Promise<void> {
  for (let n = 0; n < 5; n++) await new Promise(setImmediate);
}

/** Writes pieces until `enough`, to an end that does not read on the other side. Settles with how much was written. */
async function fill({ socket }: Peer, size: number, enough: () => boolean): Promise<number> {
  const piece = Buffer.alloc(size, 'y');
  let written = 0;
  while (!enough()) {
    assert.ok(written < PLENTY, 'everything was taken of what is not read');
    socket.write(piece);
    written += piece.length;
    await turns();
  }
  return written;
}

describe('a tunnel', () => {
  for (const slow of [false, true]) {
    test(`60: bytes go both ways at once, whole and in order, ${slow ? 'however slowly' : 'as fast as'} they are read`, async () => {
      const { tunnel, client, backend, counts, told } = await open();
      tunnel.begin(Buffer.from('early'), false);
      client.read(slow);
      backend.read(slow);
      const [up, down] = await Promise.all([client.send(TOTAL, 1, 'early'), backend.send(TOTAL, 2)]);
      await eventually('all bytes', () => backend.bytes === TOTAL + 5 && client.bytes === TOTAL, 30_000);
      assert.deepEqual([backend.hash.digest('hex'), client.hash.digest('hex')], [up, down]);
      assert.deepEqual(counts, { bytesIn: TOTAL + 5, bytesOut: TOTAL });
      assert.deepEqual(told, []);
    });
  }

  test('60: what the client had sent before goes on, and so does a FIN that it had sent behind it', async () => {
    const { tunnel, backend } = await open();
    backend.read();
    tunnel.begin(Buffer.from('all'), true);
    await eventually('the FIN', () => backend.ended);
    assert.equal(backend.bytes, 3);
  });

  for (const first of ['client', 'backend'] as const) {
    test(`60: after the FIN of the ${first} the other side still sends; with both it ends in good order`, async () => {
      const one = await open();
      const [ender, sender] = first === 'client' ? [one.client, one.backend] : [one.backend, one.client];
      ender.read();
      sender.read();
      one.tunnel.begin(null, false);
      ender.socket.end('bye');
      await eventually('the FIN', () => sender.ended);
      assert.equal(sender.bytes, 3);
      const sent = await sender.send(TOTAL, 3);
      await eventually('all bytes', () => ender.bytes === TOTAL, 30_000);
      assert.equal(ender.hash.digest('hex'), sent);
      assert.equal(one.told.length, 0);
      sender.socket.end();
      await one.until('client closed', 'backend closed');
      const ends = one.told.filter((what) => what.startsWith('end: '));
      assert.ok(ends.length === 1 && /^end: (?:client|backend)$/.test(ends[0]!), one.told.join());
      await eventually('both to be closed', () => one.client.closed && one.backend.closed);
      assert.deepEqual([one.client.error, one.backend.error], [null, null]);
    });
  }

  for (const slow of ['client', 'backend'] as const) {
    test(`a ${slow} that does not read keeps the other side from being read, and what waits for it is known`, async () => {
      const one = await open();
      const [reader, sender] = slow === 'client' ? [one.client, one.backend] : [one.backend, one.client];
      one.tunnel.begin(null, false);
      const written = await fill(sender, 2 ** 18, () => sender.socket.writableLength > 2 ** 21);
      const seen = (): number => one.counts.bytesIn + one.counts.bytesOut;
      const before = seen();
      await turns();
      assert.equal(seen(), before, 'it is read no more');
      one.pass(1_000);
      if (slow === 'client') assert.ok(one.tunnel.stuckMs >= 900, `stuck for ${one.tunnel.stuckMs} ms`);
      else assert.ok(one.tunnel.unsent > 0);
      reader.read();
      sender.socket.end();
      await eventually('all bytes', () => reader.ended, 30_000);
      assert.equal(reader.bytes, written);
      assert.deepEqual([one.tunnel.stuckMs, one.tunnel.unsent], [0, 0]);
    });
  }

  test('without a byte in either direction it ends when the time for that is over, and any byte puts it off', async () => {
    const one = await open();
    one.client.read();
    one.backend.read();
    one.tunnel.begin(null, false);
    for (const [sender, reader] of [
      [one.client, one.backend],
      [one.backend, one.client],
    ] as const) {
      one.pass(IDLE_MS - 1_000);
      sender.socket.write('x');
      await eventually('the byte', () => reader.bytes === 1);
    }
    one.pass(IDLE_MS - 1_000);
    await turns();
    assert.deepEqual(one.told, []);
    one.pass(2_000);
    await one.until('end: idle', 'client closed by us');
    await eventually('both to be closed', () => one.client.ended && one.backend.ended);
    const endless = await open(0);
    endless.tunnel.begin(null, false);
    endless.pass(10 * IDLE_MS);
    await turns();
    assert.deepEqual(endless.told, []);
  });

  test('a reset of either side is told, and ends the other one at once', async () => {
    for (const first of ['client', 'backend'] as const) {
      const one = await open();
      const other = first === 'client' ? one.backend : one.client;
      one.client.read();
      one.backend.read();
      one.tunnel.begin(null, false);
      one[first].socket.resetAndDestroy();
      await one.until(`end: ${first}-reset`);
      await eventually('the other side', () => other.ended || other.closed);
      await eventually('both closed', () => one.told.length === 3);
    }
  });

  for (const takes of [true, false]) {
    test(`what is on its way when the client has gone ${takes ? 'gets there' : 'is dropped when the time for it is over'}`, async () => {
      const one = await open();
      one.tunnel.begin(null, false);
      // Less than what keeps the client, and its FIN, from being read.
      const sent = await fill(one.client, 2 ** 13, () => one.tunnel.unsent > 0);
      // The backend owes nothing, so that the FIN of the client closes its connection.
      one.client.read();
      one.backend.socket.end();
      await eventually('the FIN', () => one.client.ended);
      one.client.socket.end();
      await one.until('end: client');
      if (takes) one.backend.read();
      else one.pass(LAST_MS + 1_000);
      await one.until('backend closed');
      if (!takes) return assert.ok(one.backend.bytes < sent);
      await eventually('all bytes', () => one.backend.ended, 30_000);
      assert.equal(one.backend.bytes, sent);
    });
  }

  test('cut, it ends at once and says so; abandoned, it closes the backend and leaves the client to its owner', async () => {
    const one = await open();
    one.client.read();
    one.backend.read();
    one.tunnel.begin(null, false);
    one.tunnel.cut();
    await one.until('end: cut', 'client closed by us');
    await eventually('both to be closed', () => one.client.ended && one.backend.ended);
    const other = await open();
    other.client.read();
    other.backend.read();
    other.tunnel.begin(null, false);
    other.tunnel.abandon();
    assert.deepEqual(other.told, ['backend closed by us']);
    await eventually('the backend to be closed', () => other.backend.ended);
    assert.equal(other.client.ended, false);
    other.tunnel.cut();
    await other.until('client closed by us');
    assert.deepEqual(other.told, ['backend closed by us', 'client closed by us']);
  });
});
