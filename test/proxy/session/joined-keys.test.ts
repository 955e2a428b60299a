import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { buildCascade } from '../../../src/affinity/cascade.ts';
import type { BalancingPolicy } from '../../../src/balancing/policy.ts';
import type { AttemptEvents } from '../../../src/exchange/attempt-events.ts';
import type { ClientSide } from '../../../src/exchange/client-side.ts';
import { Exchange } from '../../../src/exchange/exchange.ts';
import { Key } from '../../../src/keys/key.ts';
import { Search } from '../../../src/proxy/session/search.ts';
import { claim } from '../../../src/proxy/session/session-claim.ts';
import { confirm } from '../../../src/proxy/session/session-confirm.ts';
import { findSession } from '../../../src/proxy/session/session-search.ts';
import { MemoryStore } from '../../../src/sessions/store/memory-store.ts';
import { SessionTable } from '../../../src/sessions/table/table.ts';
import { UserIndex } from '../../../src/sessions/users/user-index.ts';
import { ConnectedPool } from '../../../src/upstream/connected-pool.ts';
import { contextOf, NOW, requestOf, responseOf } from '../../affinity/pool-fixture.ts';
import { testPool } from '../../backends/test-pool.ts';

const AGENTS = ['Firefox/150.0', 'Chrome/151.0'];
/** Sources of a cascade: headers of these names, and the client's address. */
const HEADERS = ['x-0', 'x-1', 'x-2', 'x-3'];

/** A session as a plain model has it. */
interface Session {
  readonly key: string;
  readonly agent: number;
  readonly backend: number;
  readonly began: number;
  ended: boolean;
}

const nameOf = ({ a, b, c, d }: Key): string => `${a} ${b} ${c} ${d}`;

class World {
  #now = NOW;
  readonly #t: TestContext;
  readonly #sources: readonly string[];
  readonly #runtime: ConnectedPool;
  readonly #pool;
  /** What each key names, by source and value. */
  readonly #names = new Map<string, Session>();
  readonly #keys = new Map<string, Key>();
  #sessions = 0;
  #table!: SessionTable;
  #store!: MemoryStore;

  constructor(t: TestContext, sources: readonly string[]) {
    this.#t = t;
    this.#sources = sources;
    const { pool } = testPool(
      ['a', 'b', 'c'].map((id) => ({ id })),
      {
        session: { bindTo: ['user-agent'], onBindingMismatch: 'reject' },
        affinity: sources.map((name) => (name === 'ip' ? { by: 'ip' } : { by: 'header', name })),
      },
    );
    this.#pool = pool;
    const context = contextOf(pool);
    this.#runtime = new ConnectedPool(pool, buildCascade(context), null, {} as BalancingPolicy, null, null);
    this.#open();
    this.#pass();
  }

  #open(): void {
    const table = new SessionTable(SessionTable.allocate(4_000, 8, 2), 1);
    this.#table = table;
    this.#store = new MemoryStore(table, new UserIndex(UserIndex.allocate(4_000), table, 1));
  }

  #pass(): void {
    this.#now += 10;
    this.#t.mock.timers.setTime(this.#now);
  }

  /** @param values by header, 0: not there */
  request(values: readonly number[], agent: number, slot: number): void {
    this.#pass();
    const keys = this.#sources.map((name) => {
      if (name === 'ip') return 'ip';
      const value = values[HEADERS.indexOf(name)]!;
      return value === 0 ? '' : `${name}=${value}`;
    });
    let decides: Session | null = null;
    let refused = false;
    for (const key of keys) {
      const session = this.#names.get(key);
      if (session === undefined || session.ended || (key === 'ip' && decides !== null)) continue;
      if (session.agent !== agent) refused = true;
      decides ??= session;
    }
    const x = new Exchange({ address: '10.0.0.1', tlsIdentity: '', secure: false } as ClientSide, {} as AttemptEvents);
    x.reset();
    x.pool = this.#pool;
    x.runtime = this.#runtime;
    const lines = [`User-Agent: ${AGENTS[agent]}`];
    for (const [at, value] of values.entries()) if (value !== 0) lines.push(`${HEADERS[at]}: ${value}`);
    const search = findSession(x, requestOf(lines), this.#runtime, this.#table, this.#store, this.#now);
    if (refused) return void assert.equal(search, Search.foreign);
    assert.equal(search, Search.done);
    const first = keys.find((key) => key !== '');
    if (first === undefined) return void assert.equal(x.strategy, null);
    const backend = x.boundBackend ?? this.#pool.backends[slot]!;
    if (decides === null) {
      assert.ok(!x.bound);
      assert.equal(claim(x, backend, this.#runtime, this.#table, this.#store, this.#now), Search.done);
      assert.ok(x.claimed);
      decides = { key: nameOf(x.found.key), agent, backend: slot, began: this.#now, ended: false };
      this.#sessions++;
      this.#names.set(first, decides);
      const key = new Key();
      key.copy(x.found.key);
      this.#keys.set(decides.key, key);
    } else {
      assert.ok(x.bound);
      assert.deepEqual([x.boundBackend?.slot, x.createdAt], [decides.backend, decides.began]);
    }
    assert.equal(nameOf(x.found.key), decides.key);
    confirm(x, responseOf([]), backend, this.#runtime, this.#table, this.#store, () => null);
    for (const key of keys) {
      const session = this.#names.get(key);
      if (key !== '' && key !== 'ip' && (session === undefined || session.ended)) this.#names.set(key, decides);
    }
  }

  /** The session of one of the names ends. @param left a tombstone is left behind */
  end(nth: number, left: boolean): void {
    this.#pass();
    const all = [...this.#names.values()].filter(({ ended }) => !ended);
    const session = all[nth % all.length];
    if (session === undefined) return;
    const until = left ? this.#now + 5_000 : 0;
    assert.ok(this.#store.end(this.#keys.get(session.key)!, this.#pool, session.began, until, this.#now));
    session.ended = true;
    this.#sessions--;
  }

  /** Another process, with the rows of this one. */
  restart(): void {
    const before = this.#table;
    this.#open();
    before.copy(0, before.buckets, (record) => void this.#table.merge(record, this.#now), this.#now);
  }

  check(): void {
    assert.equal(this.#table.size, this.#sessions, 'names are not counted');
  }
}

test('115: whatever keys come together, known or not or ended, a request is one of the session that its first known key names', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: NOW });
  const values = fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.nat(3));
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ op: fc.constant('request' as const), values, agent: fc.nat(1), slot: fc.nat(2) }),
    },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('end' as const), nth: fc.nat(9), left: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('restart' as const) }) },
  );
  const sources = fc.shuffledSubarray([...HEADERS, 'ip'], { minLength: 1 });
  fc.assert(
    fc.property(sources, fc.array(step, { maxLength: 40 }), (cascade, steps) => {
      const world = new World(t, cascade);
      for (const step of steps) {
        if (step.op === 'request') world.request(step.values, step.agent, step.slot);
        else if (step.op === 'end') world.end(step.nth, step.left);
        else world.restart();
        world.check();
      }
    }),
    { numRuns: 400 },
  );
});
