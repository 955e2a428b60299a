import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { type BackendProcess, startBackends } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { RedisServer } from '../support/redis.ts';
import { bearer, each, type Pair, startPair } from '../support/redis-pair.ts';

const SESSIONS = 400;
/** Requests a second, both nodes together. */
const RATE = 500;
/**
 * What the slowest twentieth takes on a busy machine, ms; with a wait for the store it would be 500 and more for every
 * one.
 */
const NOISE_MS = 450;
const FLIP_MS = 60_000;

const DOWN = 'the shared session store is down';
const UP = 'the shared session store is up';

interface Phase {
  readonly latencies: number[];
  failed: string[];
}

/**
 * Sessions, half by token and half by cookie, that send requests at a fixed rate to both nodes, each of them one at a
 * time.
 */
class Traffic {
  readonly #pair: Pair;
  readonly #homes = new Map<number, string>();
  readonly #cookies = new Map<number, string>();
  readonly #busy = new Set<number>();
  phase: Phase = { latencies: [], failed: [] };
  moved: string[] = [];
  #timer: NodeJS.Timeout | null = null;
  #sent = 0;
  #idle: (() => void) | null = null;

  constructor(pair: Pair) {
    this.#pair = pair;
  }

  /** One request of a session. */
  async send(session: number, node: number): Promise<void> {
    const { phase } = this;
    const token = session % 2 === 0;
    const cookie = this.#cookies.get(session);
    const headers = token ? bearer(`user ${session}`, this.#sent) : cookie === undefined ? {} : { cookie };
    const started = performance.now();
    this.#busy.add(session);
    try {
      const answer = await this.#pair.ask(node, token ? '/token' : '/', headers as Record<string, string>);
      phase.latencies.push(performance.now() - started);
      if (answer.status !== 200) phase.failed.push(`${answer.status} ${answer.code}`);
      if (answer.cookie !== '') this.#cookies.set(session, answer.cookie);
      const home = this.#homes.get(session);
      if (home === undefined) this.#homes.set(session, answer.backend);
      else if (answer.backend !== home) this.moved.push(`${session} from ${home} to ${answer.backend}`);
    } catch (error) {
      phase.failed.push(String(error));
    } finally {
      this.#busy.delete(session);
      if (this.#busy.size === 0) this.#idle?.();
    }
  }

  start(): void {
    let last = performance.now();
    let due = 0;
    this.#timer = setInterval(() => {
      const now = performance.now();
      // A machine that stands still for a moment does not get all of it at once.
      due += (Math.min(now - last, 50) / 1000) * RATE;
      last = now;
      for (; due >= 1; due--) {
        const session = (this.#sent * 7) % SESSIONS;
        this.#sent++;
        if (!this.#busy.has(session)) void this.send(session, (this.#sent >> 3) % 2);
      }
    }, 10);
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#busy.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  /** Begins to count anew; answers what there was. */
  next(): Phase {
    const { phase } = this;
    this.phase = { latencies: [], failed: [] };
    return phase;
  }

  /** Settles when so many requests have been answered in this phase. */
  answered(count: number): Promise<true> {
    const { phase } = this;
    return eventually(`${count} answers`, () => phase.latencies.length + phase.failed.length >= count, 60_000);
  }
}

function p95({ latencies }: Phase): number {
  const sorted = [...latencies].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.95)]!;
}

let backends: BackendProcess[];
let redis: RedisServer;
before(async () => {
  backends = await startBackends('a', 'b', 'c');
});
after(() => Promise.all((backends ?? []).map((backend) => backend.kill())));

describe('26: a store that dies fails no request and moves no session', () => {
  let pair: Pair;
  let traffic: Traffic;
  before(async () => {
    redis = await RedisServer.start();
    pair = await startPair(backends, `store: redis, redis: { url: "${redis.url}" }`);
    traffic = new Traffic(pair);
    // Every session is known at both nodes.
    for (const node of [0, 1]) await each(SESSIONS, 20, (session) => traffic.send(session, node));
  });
  after(async () => {
    await traffic?.stop();
    await pair?.stop();
    await redis?.stop();
  });

  const flipped = (message: string, times: number): Promise<unknown> =>
    Promise.all(
      pair.nodes.map(({ log }) =>
        eventually(message, () => log.filter(({ msg }) => msg === message).length >= times, FLIP_MS),
      ),
    );

  test('SIGKILLed under load, and started again empty', async () => {
    assert.deepEqual(traffic.phase.failed, []);
    traffic.start();
    await traffic.answered(SESSIONS * 2 + 500);
    traffic.next();
    await traffic.answered(1_500);
    const before = traffic.next();
    await redis.kill();
    await flipped(DOWN, 1);
    await traffic.answered(1_500);
    const [one] = pair.nodes.map(({ admin }) => new Admin(admin));
    assert.equal(await one!.metric('limpet_store_up'), 0);
    const during = traffic.next();
    await redis.start();
    await flipped(UP, 2);
    await eventually('Redis to be told of all sessions again', async () => {
      const names = await redis.client.keys('limpet:s:*');
      return names.length >= SESSIONS;
    });
    await traffic.answered(1_000);
    await traffic.stop();
    const after = traffic.next();
    for (const phase of [before, during, after]) assert.deepEqual(phase.failed, []);
    assert.deepEqual(traffic.moved, []);
    const most = Math.max(3 * p95(before), NOISE_MS);
    assert.ok(p95(during) <= most, `p95 was ${p95(before)} ms before, ${p95(during)} ms during the outage`);
    assert.equal(await one!.metric('limpet_store_up'), 1);
  });

  test('one that does not answer any more is not waited for', async () => {
    traffic.next();
    traffic.start();
    await traffic.answered(500);
    redis.signal('SIGSTOP');
    // New sessions ask, and wait in vain, once.
    const started = performance.now();
    await Promise.all([0, 1].map((node) => pair.ask(node, '/id', { 'x-session-id': `late ${node}` })));
    assert.ok(performance.now() - started < 15_000);
    await flipped(DOWN, 2);
    const slow = traffic.next();
    const fast: number[] = [];
    for (let nth = 0; nth < 50; nth++) {
      const begun = performance.now();
      const answer = await pair.ask(nth % 2, '/id', { 'x-session-id': `later ${nth}` });
      assert.equal(answer.status, 200);
      fast.push(performance.now() - begun);
    }
    fast.sort((a, b) => a - b);
    assert.ok(fast[25]! < 400, `a new session took ${fast[25]} ms while the store hung`);
    await traffic.answered(1_000);
    redis.signal('SIGCONT');
    await flipped(UP, 3);
    await traffic.answered(500);
    await traffic.stop();
    assert.deepEqual([...slow.failed, ...traffic.next().failed], []);
    assert.deepEqual(traffic.moved, []);
  });
});

describe('whenDown: reject', () => {
  let pair: Pair;
  before(async () => {
    redis = await RedisServer.start();
    pair = await startPair(backends, `store: redis, redis: { url: "${redis.url}", whenDown: reject }`);
  });
  after(async () => {
    await pair?.stop();
    await redis?.stop();
  });

  test('26: sticky requests are refused while the store is down, and only then', async () => {
    assert.equal((await pair.ask(0, '/token', bearer('x', 1))).status, 200);
    await redis.kill();
    const refused = await eventually('a refusal', async () => {
      const answer = await pair.ask(0, '/token', bearer('x', 2));
      return answer.status === 503 ? answer : null;
    });
    assert.equal(refused.code, 'STORE_DOWN');
    assert.ok(Number(refused.headers['retry-after']) > 0);
    await redis.start();
    await eventually(
      'it to be up again',
      async () => (await pair.ask(0, '/token', bearer('x', 3))).status === 200,
      FLIP_MS,
    );
  });
});
