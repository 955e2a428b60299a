import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { DirectSocket } from '../../src/sockets/direct-socket.ts';
import { threadSockets } from '../../src/sockets/thread-sockets.ts';
import { SeededRandom } from '../fuzz/seeded-random.ts';
import { DirectPairs } from '../support/direct-pairs.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** What a scenario of child.ts prints. */
async function child(scenario: string, flags: readonly string[] = []): Promise<{ said: unknown; stderr: string }> {
  const { stdout, stderr } = await run(process.execPath, [...flags, `${root}test/sockets/child.ts`, scenario], {
    timeout: 60_000,
  });
  return { said: JSON.parse(stdout), stderr };
}

let pairs: DirectPairs;
before(async () => {
  pairs = await DirectPairs.listen();
});
after(() => pairs.close());

describe('system calls without libuv', () => {
  test('are there on this machine, and nothing warns of them', async () => {
    const { said, stderr } = await child('echo');
    assert.deepEqual(said, { calls: true, readiness: true, answer: 'BYTES' });
    assert.equal(stderr, '');
  });

  test('are left alone where they may not be made, and connections work all the same', async () => {
    const { said } = await child('echo', ['--no-experimental-ffi']);
    assert.deepEqual(said, { calls: false, readiness: false, answer: 'BYTES' });
  });

  test('everything that a connection promises it promises without them too', async () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const flags = ['--no-experimental-ffi', '--test', `${root}test/sockets/direct-socket.test.ts`];
    const { stdout } = await run(process.execPath, flags, { env, timeout: 100_000 });
    assert.match(stdout, /^ℹ pass [12]\d\d$/m);
    assert.match(stdout, /^ℹ fail 0$/m);
  });
});

describe('what is written', () => {
  test('while more waits for a slow reader comes behind that, although the system would take it', async () => {
    const { direct, peer } = await pairs.open({});
    const words = new Uint32Array(1 << 23);
    for (let n = 0; n < words.length; n++) words[n] = n;
    const all = Buffer.from(words.buffer);
    let sent = 0;
    const write = (size: number): void => {
      direct.write(all.subarray(sent, sent + size));
      sent = Math.min(sent + size, all.length);
    };
    while (direct.writableLength === 0) write(65_536);
    const came: Buffer[] = [];
    let behind = 0;
    peer.on('data', (bytes: Buffer) => {
      came.push(bytes);
      // There is room again, and what waits has not been looked at: both happen in one turn.
      if (direct.writableLength > 0) {
        write(1_000);
        behind++;
      } else direct.end();
    });
    await once(peer, 'end');
    assert.ok(behind > 0, 'nothing waited');
    assert.ok(Buffer.concat(came).equals(all.subarray(0, sent)));
    direct.destroy();
  });
});

describe('what can be read', () => {
  test('is told of all others when the owner of a connection has a defect', async () => {
    assert.deepEqual((await child('defect')).said, { told: 20, errors: 7 });
  });

  test('keeps the process alive as long as a connection is open, and no longer', async () => {
    assert.deepEqual((await child('end')).said, { heard: 'end' });
  });

  test('of threads that are ended in the midst of it harms nobody', async () => {
    assert.deepEqual((await child('terminate')).said, { ended: 3 });
  });

  test('77: is found by the next tick when Node does not tell of it, and nothing else is taken for lost', async () => {
    assert.deepEqual((await child('lost')).said, { inGoodOrder: 0, found: true });
  });

  test('77: is found by the next tick when the event of a connection has gone astray', async () => {
    assert.deepEqual((await child('dropped')).said, { before: 0, told: 40, found: 40 });
  });

  test('is told of more connections than are looked at in one turn', async () => {
    const told = new Set<number>();
    const { promise, resolve } = Promise.withResolvers<void>();
    const open = await pairs.openMany(600, (n) => ({
      onBytes() {
        told.add(n);
        if (told.size === 600) resolve();
        return true;
      },
    }));
    for (const { direct } of open) direct.resume();
    for (const { peer } of open) peer.write('x');
    await promise;
    for (const { direct, peer } of open) {
      direct.destroy();
      peer.destroy();
    }
  });

  test('of a connection that the system has no room to watch is found out by libuv', async (t) => {
    const watch = t.mock.method(threadSockets.readiness!, 'watch', () => false);
    let text = '';
    const { promise, resolve } = Promise.withResolvers<void>();
    const { direct, peer } = await pairs.open({
      onBytes(size, bytes) {
        text += bytes.latin1Slice(0, size);
        direct.write('seen');
        return true;
      },
      onEnd: resolve,
    });
    direct.resume();
    assert.deepEqual([watch.mock.callCount(), direct.isPaused()], [1, false]);
    peer.write('bytes');
    const [answer] = (await once(peer, 'data')) as [Buffer];
    peer.end();
    await promise;
    assert.deepEqual([text, answer.toString()], ['bytes', 'seen']);
    direct.end();
    await once(peer, 'close');
  });

  test('of a connection that another one has just closed is told to nobody', async () => {
    const heard: number[] = [];
    const both: DirectSocket[] = [];
    const open = await pairs.openMany(2, (n) => ({
      onBytes() {
        heard.push(n);
        both[1 - n]!.destroy();
        return true;
      },
    }));
    both.push(...open.map(({ direct }) => direct));
    for (const { peer } of open) peer.on('error', () => {});
    await Promise.all(open.map(({ peer }) => new Promise((resolve) => peer.write('x', resolve))));
    // Both have bytes before either is read.
    for (const direct of both) direct.resume();
    for (let n = 0; n < 5; n++) await new Promise(setImmediate);
    assert.equal(heard.length, 1);
    for (const { direct, peer } of open) {
      direct.destroy();
      peer.destroy();
    }
  });

  test('comes whole and in order, then FIN, in whatever pieces it is written and whenever reading stops', async () => {
    const random = new SeededRandom(3);
    // Around what is read at once, and more than is read in one turn.
    const sizes = [1, 100, 65_535, 65_536, 65_537, 131_072, 40 * 65_536];
    for (let round = 0; round < 40; round++) {
      const pieces = Array.from({ length: 1 + random.below(5) }, () => random.pick(sizes));
      const total = pieces.reduce((sum, size) => sum + size, 0);
      const sent = Buffer.alloc(total, Buffer.from('0123456789abcdefg'));
      const came = Buffer.alloc(total);
      let size = 0;
      const { promise, resolve } = Promise.withResolvers<void>();
      const { direct, peer } = await pairs.open({
        onBytes(more, bytes) {
          bytes.copy(came, size, 0, more);
          size += more;
          if (random.below(4) !== 0) return true;
          setImmediate(() => direct.resume());
          return false;
        },
        onEnd: resolve,
      });
      direct.resume();
      let at = 0;
      for (const piece of pieces) {
        peer.write(sent.subarray(at, at + piece));
        at += piece;
        if (random.below(2) === 0) await new Promise(setImmediate);
        if (random.below(4) === 0) {
          direct.pause();
          setImmediate(() => direct.resume());
        }
      }
      peer.end();
      await promise;
      assert.equal(size, total);
      assert.ok(came.equals(sent));
      direct.end();
      peer.resume();
      await once(peer, 'close');
    }
  });
});
