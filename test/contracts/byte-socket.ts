import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import type { ByteSocket, SocketEvents } from '../../src/sockets/byte-socket.ts';
import { SeededRandom } from '../fuzz/seeded-random.ts';

/** What a connection of a client has besides: net.Socket has it, and what takes its place. */
export interface TestedSocket extends ByteSocket {
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  isPaused(): boolean;
  /** Without one that can be reset, closes in the usual way. */
  resetAndDestroy(): unknown;
}

/** What the suite needs of an implementation. */
export interface ByteSocketContract {
  /** A unix socket has no reset and no ports. */
  readonly tcp: boolean;
  /**
   * A new connection, which reads; `peer` is its other end as Node has it, with `allowHalfOpen`, and nobody reads from
   * it yet.
   */
  open(events: SocketEvents): Promise<{ readonly socket: TestedSocket; readonly peer: Socket }>;
}

/** More than the system takes of a connection whose other end does not read. */
const PLENTY = 64 * 2 ** 20;
const MIB = 2 ** 20;
/** Around what is tried from the stack, read at once or kept in one buffer. */
const SIZES = [1, 2, 7, 100, 1_000, 10_240, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 200_000];
/** Bytes of all values, not the same anywhere. */
const BLOCK = randomBytes(MIB);

/** What has happened to a connection. */
class SocketLog implements SocketEvents {
  socket!: TestedSocket;
  peer!: Socket;
  bytes = 0;
  calls = 0;
  ends = 0;
  /** `writableLength` at each. */
  readonly drains: number[] = [];
  readonly closes: (NodeJS.ErrnoException | null)[] = [];
  readonly hash = createHash('sha256');
  /** What `onBytes` answers, and whatever else is done when bytes come. */
  take: () => boolean = () => true;
  readonly #watchers = new Set<() => void>();

  onBytes(size: number, bytes: Buffer): boolean {
    assert.equal(this.ends + this.closes.length, 0, 'bytes behind the end');
    this.calls++;
    this.bytes += size;
    this.hash.update(bytes.subarray(0, size));
    // They are only there until this returns.
    bytes.fill(0x2e, 0, size);
    const takes = this.take();
    this.#look();
    return takes;
  }

  onEnd(): void {
    this.ends++;
    this.#look();
  }

  onDrain(): void {
    this.drains.push(this.socket.writableLength);
    this.#look();
  }

  onClose(error: NodeJS.ErrnoException | null): void {
    this.closes.push(error);
    this.#look();
  }

  /** Settles once `test` holds, which is asked after each event of ours and each read of the peer. */
  until(what: string, test: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const settle = (done: () => void): void => {
      this.#watchers.delete(look);
      clearTimeout(timer);
      done();
    };
    const look = (): void => {
      if (test()) settle(resolve);
    };
    const timer = setTimeout(() => settle(() => reject(new Error(`waited for ${what}`))), 20_000);
    this.#watchers.add(look);
    look();
    return promise;
  }

  /** It has closed, once, and does not do so again. */
  async closed(): Promise<NodeJS.ErrnoException | null> {
    await this.until('its close', () => this.closes.length > 0);
    await turns();
    assert.equal(this.closes.length, 1);
    return this.closes[0]!;
  }

  /** For what the log does not hear of. */
  look(): void {
    this.#look();
  }

  #look(): void {
    for (const watcher of this.#watchers) watcher();
  }
}

/** What the peer has received. */
class PeerLog {
  bytes = 0;
  ended = false;
  closed = false;
  error: NodeJS.ErrnoException | null = null;
  readonly hash = createHash('sha256');

  constructor(log: SocketLog) {
    const { peer } = log;
    peer.on('error', (error) => {
      this.error = error;
    });
    peer.on('end', () => {
      this.ended = true;
      log.look();
    });
    peer.on('close', () => {
      this.closed = true;
      log.look();
    });
  }

  /** Begins to read. @param slow stops after each piece until everything else has had its turn */
  read(log: SocketLog, slow: boolean): void {
    const { peer } = log;
    peer.on('data', (bytes) => {
      this.bytes += bytes.length;
      this.hash.update(bytes);
      if (slow) {
        peer.pause();
        setImmediate(() => peer.resume());
      }
      log.look();
    });
    peer.resume();
  }
}

interface Connected {
  readonly log: SocketLog;
  readonly socket: TestedSocket;
  readonly peer: Socket;
  readonly got: PeerLog;
}

/** Enough turns of the event loop for everything to happen that is about to. */
async function turns(): Promise<void> {
  for (let n = 0; n < 5; n++) await new Promise(setImmediate);
}

/** Pieces of `total` bytes in all. */
function* pieces(total: number, random: SeededRandom): Generator<Buffer> {
  for (let left = total; left > 0; ) {
    const size = Math.min(left, random.pick(SIZES));
    const at = random.below(BLOCK.length - size);
    yield BLOCK.subarray(at, at + size);
    left -= size;
  }
}

/**
 * Writes pieces as text, as bytes and as a copy, in one go or each for itself; waits where it is told to. Settles with
 * their hash.
 */
async function writeAll(log: SocketLog, total: number, random: SeededRandom): Promise<string> {
  const { socket } = log;
  const hash = createHash('sha256');
  const scratch = Buffer.alloc(200_003);
  let corked = 0;
  for (const piece of pieces(total, random)) {
    hash.update(piece);
    if (corked === 0 && random.oneIn(5)) {
      socket.cork();
      corked = 1 + random.below(4);
    }
    const kind = random.below(3);
    if (kind === 0) socket.write(piece);
    else if (kind === 1 || corked > 0) socket.write(piece.latin1Slice(), 'latin1');
    else {
      piece.copy(scratch, 3);
      socket.writeCopy(scratch, 3, 3 + piece.length);
      scratch.fill(0x21);
    }
    if (corked > 0 && --corked === 0) socket.uncork();
    if (corked === 0 && socket.writableLength >= socket.writableHighWaterMark) {
      const before = log.drains.length;
      await log.until('room', () => log.drains.length > before || log.closes.length > 0);
    }
  }
  socket.uncork();
  return hash.digest('hex');
}

/** Writes until the system takes no more and `more` bytes wait. Settles with what was written. */
function fill({ socket }: SocketLog, more = socket.writableHighWaterMark): Buffer[] {
  const written: Buffer[] = [];
  for (let size = 0; socket.writableLength < more; size += 100_000) {
    assert.ok(size < PLENTY, 'everything was taken of what nobody reads');
    const at = (size * 7) % (BLOCK.length - 100_000);
    written.push(BLOCK.subarray(at, at + 100_000));
    socket.write(written.at(-1)!);
  }
  return written;
}

function hashOf(list: readonly Buffer[]): string {
  const hash = createHash('sha256');
  for (const bytes of list) hash.update(bytes);
  return hash.digest('hex');
}

/** What every ByteSocket right on the system does (sockets/byte-socket.ts): run by each kind of them. */
export function byteSocketContract(name: string, { tcp, open }: ByteSocketContract): void {
  describe(name, () => {
    const opened: SocketLog[] = [];
    const connect = async (): Promise<Connected> => {
      const log = new SocketLog();
      opened.push(log);
      const { socket, peer } = await open(log);
      Object.assign(log, { socket, peer });
      return { log, socket, peer, got: new PeerLog(log) };
    };
    afterEach(async () => {
      for (const { socket, peer, closes } of opened.splice(0)) {
        peer?.destroy();
        if (closes.length === 0) socket?.destroy();
      }
    });

    for (const slow of [false, true]) {
      test(`bytes arrive whole and in order in both directions at once, ${slow ? 'however slowly they are read' : 'as fast as can be'}`, async () => {
        const { log, socket, peer, got } = await connect();
        const random = new SeededRandom(slow ? 1 : 2);
        const total = 8 * MIB;
        if (slow) {
          log.take = () => {
            if (!random.oneIn(3)) return true;
            setImmediate(() => socket.resume());
            return false;
          };
        }
        got.read(log, slow);
        const sent = createHash('sha256');
        const list = [...pieces(total, new SeededRandom(3))];
        for (const piece of list) {
          sent.update(piece);
          peer.write(piece);
        }
        const written = await writeAll(log, total, random);
        await log.until('all bytes', () => got.bytes >= total && log.bytes >= total);
        assert.deepEqual([got.bytes, log.bytes], [total, total]);
        assert.equal(got.hash.digest('hex'), written);
        assert.equal(log.hash.digest('hex'), sent.digest('hex'));
        assert.equal(socket.writableLength, 0);
      });
    }

    test('connections at the same time do not get each other’s bytes, also while they wait', async () => {
      const total = 3 * MIB;
      const list: Connected[] = [];
      for (let n = 0; n < 4; n++) list.push(await connect());
      const written = list.map(({ log }, n) => writeAll(log, total, new SeededRandom(n)));
      // All of them wait before the first one reads.
      await turns();
      for (const { log, got } of list) got.read(log, true);
      for (const [n, { log, got }] of list.entries()) {
        await log.until('all bytes', () => got.bytes >= total);
        assert.deepEqual([got.bytes, got.hash.digest('hex')], [total, await written[n]]);
      }
    });

    test('what a slow reader does not take is counted, and drained once it is all out', async () => {
      const { log, socket, got } = await connect();
      assert.equal(socket.writableLength, 0);
      const written = fill(log);
      const waiting = socket.writableLength;
      assert.ok(waiting >= socket.writableHighWaterMark);
      written.push(BLOCK.subarray(0, 5), BLOCK.subarray(7, 9));
      socket.write(written.at(-2)!);
      socket.write(written.at(-1)!.latin1Slice(), 'latin1');
      assert.equal(socket.writableLength, waiting + 7);
      await turns();
      assert.deepEqual(log.drains, [], 'nobody has read');
      got.read(log, false);
      await log.until('room', () => log.drains.length > 0);
      assert.deepEqual(log.drains, [0]);
      socket.end();
      await log.until('the end', () => got.ended);
      assert.equal(got.hash.digest('hex'), hashOf(written));
    });

    test('nothing comes while it is paused, and all of it afterwards', async () => {
      const { log, socket, peer } = await connect();
      socket.pause();
      socket.pause();
      assert.equal(socket.isPaused(), true);
      const data = BLOCK.subarray(0, 10_000);
      await new Promise((resolve) => peer.write(data, resolve));
      // Whoever did read would have it by now: another connection has.
      const other = await connect();
      other.peer.write(data);
      await other.log.until('its bytes', () => other.log.bytes === data.length);
      await turns();
      assert.equal(log.bytes, 0);
      socket.resume();
      assert.equal(socket.isPaused(), false);
      socket.resume();
      await log.until('the bytes', () => log.bytes === data.length);
      assert.equal(log.hash.digest('hex'), hashOf([data]));
    });

    test('whoever answers false to bytes gets no more until it reads on', async () => {
      const { log, socket, peer } = await connect();
      log.take = () => false;
      const data = BLOCK.subarray(0, 500_000);
      peer.write(data);
      for (let calls = 1; log.bytes < data.length; calls++) {
        await log.until('bytes', () => log.calls === calls);
        assert.equal(socket.isPaused(), true);
        await turns();
        assert.equal(log.calls, calls);
        socket.resume();
      }
      assert.ok(log.calls > 3);
      assert.equal(log.hash.digest('hex'), hashOf([data]));
    });

    test('after the FIN of the peer we can still send, and our own closes it', async () => {
      const { log, socket, peer, got } = await connect();
      got.read(log, false);
      peer.end('last words');
      await log.until('the end', () => log.ends > 0);
      assert.equal(log.bytes, 10);
      socket.pause();
      socket.resume();
      await turns();
      assert.deepEqual([log.ends, log.closes], [1, []]);
      const written = await writeAll(log, MIB, new SeededRandom(4));
      socket.end();
      assert.equal(await log.closed(), null);
      await log.until('the close of the peer', () => got.closed);
      assert.deepEqual([got.ended, got.error, got.hash.digest('hex')], [true, null, written]);
      assert.equal(log.ends, 1);
    });

    test('after our FIN the peer can still send, and its own closes it', async () => {
      const { log, socket, peer, got } = await connect();
      got.read(log, false);
      socket.write('bye', 'latin1');
      socket.end();
      await log.until('the end', () => got.ended);
      assert.equal(got.bytes, 3);
      await turns();
      assert.deepEqual(log.closes, []);
      const list = [...pieces(MIB, new SeededRandom(5))];
      for (const piece of list) peer.write(piece);
      peer.end();
      assert.equal(await log.closed(), null);
      assert.deepEqual([log.ends, log.hash.digest('hex')], [1, hashOf(list)]);
    });

    test('bytes that are used again for something else have gone out as they were, behind the text in front of them', async () => {
      const { log, socket, got } = await connect();
      got.read(log, false);
      const written: Buffer[] = [];
      for (const [before, size] of [
        ['', 10],
        ['head\r\n\r\n', 0],
        ['head\r\n\r\n', 100],
        ['\xff', 200_000],
        ['t'.repeat(20_000), 16_385],
      ] as const) {
        const bytes = Buffer.concat([Buffer.from('no'), BLOCK.subarray(size, 2 * size), Buffer.from('no')]);
        written.push(Buffer.from(before, 'latin1'), BLOCK.subarray(size, 2 * size));
        socket.writeCopy(bytes, 2, 2 + size, before);
        bytes.fill(0);
      }
      socket.end();
      await log.until('the end', () => got.ended);
      assert.equal(got.hash.digest('hex'), hashOf(written));
    });

    test('what happens is told to whom it was handed to last, also in the midst of a read', async () => {
      const { log, socket, peer, got } = await connect();
      got.read(log, false);
      const next = new SocketLog();
      Object.assign(next, { socket, peer });
      log.take = () => {
        socket.handTo(next);
        return false;
      };
      peer.write('one');
      await log.until('bytes', () => log.calls === 1);
      peer.end('two');
      await turns();
      assert.deepEqual([log.bytes, next.bytes], [3, 0], 'the answer of the first one holds: it is paused');
      socket.resume();
      await next.until('the end', () => next.ends === 1);
      assert.equal(next.hash.digest('hex'), hashOf([Buffer.from('two')]));
      fill(next);
      await next.until('room', () => next.drains.length > 0);
      socket.end();
      assert.equal(await next.closed(), null);
      assert.deepEqual([log.calls, log.ends, log.drains, log.closes], [1, 0, [], []]);
    });

    test('end tells when everything is out', async () => {
      const { log, socket, got } = await connect();
      const written = fill(log);
      assert.ok(socket.writableLength > 0);
      let left = -1;
      socket.end(() => {
        left = socket.writableLength;
        log.look();
      });
      // Once is enough.
      socket.end();
      await turns();
      assert.equal(left, -1, 'nobody has read');
      got.read(log, false);
      await log.until('the word', () => left >= 0);
      assert.equal(left, 0);
      await log.until('the end', () => got.ended);
      assert.equal(got.hash.digest('hex'), hashOf(written));
      // Also to whoever asks when it is over.
      await new Promise<void>((resolve) => socket.end(resolve));
    });

    test('end without anything to send tells so too', async () => {
      const { log, socket, got } = await connect();
      got.read(log, false);
      await new Promise<void>((resolve) => socket.end(resolve));
      await log.until('the end', () => got.ended);
      assert.equal(got.bytes, 0);
    });

    test('what was held together goes out before FIN, and not at all when it is destroyed', async () => {
      const one = await connect();
      one.got.read(one.log, false);
      one.socket.cork();
      one.socket.write('first ', 'latin1');
      one.socket.write(Buffer.from('second'));
      await turns();
      assert.equal(one.got.bytes, 0);
      one.socket.end();
      await one.log.until('the end', () => one.got.ended);
      assert.equal(one.got.hash.digest('hex'), hashOf([Buffer.from('first second')]));

      const two = await connect();
      two.got.read(two.log, false);
      two.socket.cork();
      two.socket.write('first ', 'latin1');
      two.socket.destroy();
      two.socket.uncork();
      assert.equal(await two.log.closed(), null);
      await two.log.until('the close of the peer', () => two.got.ended);
      assert.equal(two.got.bytes, 0);
    });

    test('destroySoon sends everything first', async () => {
      const { log, socket, peer, got } = await connect();
      const written = fill(log, 300_000);
      socket.end();
      socket.destroySoon();
      socket.destroySoon();
      await turns();
      assert.deepEqual(log.closes, []);
      got.read(log, true);
      assert.equal(await log.closed(), null);
      await log.until('the end', () => got.ended);
      assert.deepEqual([got.error, got.hash.digest('hex')], [null, hashOf(written)]);
      peer.end();
    });

    test('destroySoon of one that has sent FIN closes it at once', async () => {
      const { log, socket } = await connect();
      await new Promise<void>((resolve) => socket.end(resolve));
      socket.destroySoon();
      assert.equal(await log.closed(), null);
      assert.equal(log.ends, 0);
    });

    test('once it is destroyed nothing comes, nothing goes, and nothing is thrown', async () => {
      const { log, socket, peer, got } = await connect();
      got.read(log, false);
      peer.write('too late');
      socket.destroy();
      assert.deepEqual(log.closes, [], 'not before destroy has returned');
      socket.write('text', 'latin1');
      socket.write(Buffer.from('bytes'));
      socket.cork();
      socket.write('text', 'latin1');
      socket.uncork();
      socket.pause();
      socket.resume();
      socket.end();
      socket.destroySoon();
      socket.destroy();
      assert.equal(await log.closed(), null);
      socket.write('text', 'latin1');
      socket.end();
      socket.destroySoon();
      socket.destroy();
      socket.writeCopy(BLOCK, 0, 10);
      socket.writeCopy(BLOCK, 0, 200_000, 'text');
      socket.resetAndDestroy();
      await log.until('the close of the peer', () => got.ended || got.closed);
      await turns();
      assert.deepEqual([got.bytes, log.bytes, log.ends, log.drains], [0, 0, 0, []]);
      assert.equal(log.closes.length, 1);
    });

    test('it may be destroyed when bytes come: there are no more of them', async () => {
      const { log, socket, peer } = await connect();
      log.take = () => {
        socket.destroy();
        assert.deepEqual(log.closes, []);
        return true;
      };
      peer.on('error', () => {});
      peer.write(BLOCK.subarray(0, 300_000));
      assert.equal(await log.closed(), null);
      assert.equal(log.calls, 1);
    });

    test('destroyed while writes wait it closes all the same, and drains no more', async () => {
      const { log, socket, got } = await connect();
      fill(log, 300_000);
      socket.destroy();
      got.read(log, false);
      assert.equal(await log.closed(), null);
      await log.until('the close of the peer', () => got.ended || got.closed);
      assert.deepEqual(log.drains, []);
      // What waited was in buffers that are used again: the next connection has its own bytes.
      const next = await connect();
      next.got.read(next.log, true);
      const written = await writeAll(next.log, MIB, new SeededRandom(6));
      await next.log.until('all bytes', () => next.got.bytes === MIB);
      assert.equal(next.got.hash.digest('hex'), written);
    });

    test('the addresses of both ends', async () => {
      const { socket, peer } = await connect();
      const { remotePort, localAddress, localPort } = socket;
      assert.deepEqual(
        { remotePort, localAddress, localPort },
        tcp
          ? { remotePort: peer.localPort, localAddress: '127.0.0.1', localPort: peer.remotePort }
          : { remotePort: undefined, localAddress: undefined, localPort: undefined },
      );
      if (tcp) assert.ok(remotePort! > 0 && localPort! > 0 && remotePort !== localPort);
    });

    test(`a reset by us is ${tcp ? 'an error to the peer' : 'an end where there is no reset'}`, async () => {
      const { log, socket, got } = await connect();
      got.read(log, false);
      socket.resetAndDestroy();
      assert.equal(await log.closed(), null);
      await log.until('the close of the peer', () => got.closed || got.ended);
      assert.equal(got.error?.code, tcp ? 'ECONNRESET' : undefined);
    });

    if (!tcp) return;

    test('a reset behind our FIN closes it', async () => {
      const { log, socket } = await connect();
      await new Promise<void>((resolve) => socket.end(resolve));
      socket.resetAndDestroy();
      assert.equal(await log.closed(), null);
    });

    test('a reset by the peer closes it with ECONNRESET', async () => {
      const { log, peer } = await connect();
      peer.resetAndDestroy();
      assert.equal((await log.closed())?.code, 'ECONNRESET');
      assert.equal(log.ends, 0);
    });

    test('a reset by the peer closes it while writes wait', async () => {
      const { log, socket, peer } = await connect();
      fill(log, 300_000);
      socket.end();
      peer.resetAndDestroy();
      assert.match((await log.closed())?.code ?? '', /^(?:ECONNRESET|EPIPE)$/);
      assert.deepEqual(log.drains, []);
    });

    for (const kind of ['text', 'bytes', 'both', 'copy', 'end'] as const) {
      test(`what is sent to a peer that has reset the connection ends in an error and no exception: ${kind}`, async () => {
        const { log, socket, peer } = await connect();
        // It does not look, and cannot know.
        socket.pause();
        peer.resetAndDestroy();
        await once(peer, 'close');
        for (let n = 0; n < 3; n++) {
          if (kind === 'both') socket.cork();
          if (kind === 'bytes' || kind === 'both') socket.write(Buffer.from('bytes'));
          if (kind === 'text' || kind === 'both') socket.write('text', 'latin1');
          if (kind === 'both') socket.uncork();
          if (kind === 'copy') socket.writeCopy(BLOCK, 0, 150_000, 'text');
        }
        assert.deepEqual(log.closes, [], 'not before write has returned');
        if (kind === 'end') {
          socket.end();
          socket.resume();
        }
        assert.match((await log.closed())?.code ?? '', /^(?:ECONNRESET|EPIPE)$/);
      });
    }
  });
}
