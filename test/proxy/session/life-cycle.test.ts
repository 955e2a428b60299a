import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { buildCascade } from '../../../src/affinity/cascade.ts';
import { type CookieProof, Find, FoundKey } from '../../../src/affinity/strategy.ts';
import type { BalancingPolicy } from '../../../src/balancing/policy.ts';
import type { AttemptEvents } from '../../../src/exchange/attempt-events.ts';
import type { ClientSide } from '../../../src/exchange/client-side.ts';
import { Exchange } from '../../../src/exchange/exchange.ts';
import { Key } from '../../../src/keys/key.ts';
import { Outcome } from '../../../src/metrics/outcomes.ts';
import { Search } from '../../../src/proxy/session/search.ts';
import { endSession, followRotation, rotateSession } from '../../../src/proxy/session/session-changes.ts';
import { confirm } from '../../../src/proxy/session/session-confirm.ts';
import { acceptSession, findSession, touchSession } from '../../../src/proxy/session/session-search.ts';
import { MemoryStore } from '../../../src/sessions/store/memory-store.ts';
import { MoveReason } from '../../../src/sessions/table/move-reasons.ts';
import { refusedUntil } from '../../../src/sessions/table/refused-until.ts';
import type { RowRecord } from '../../../src/sessions/table/row-record.ts';
import { Lookup, Row, SessionTable } from '../../../src/sessions/table/table.ts';
import { UserIndex } from '../../../src/sessions/users/user-index.ts';
import { ConnectedPool } from '../../../src/upstream/connected-pool.ts';
import { contextOf, NOW, requestOf, responseOf } from '../../affinity/pool-fixture.ts';
import { testPool } from '../../backends/test-pool.ts';

const IDLE = 60_000;
const LIFETIME = 200_000;
const AGENTS = ['Firefox/150.0', 'Chrome/151.0'];

/** A session as a plain model has it. */
interface Session {
  readonly began: number;
  readonly agent: number;
  /** The key that it goes by; the others that it had are refused. */
  key: string;
  /** Slot. */
  backend: number;
  lastSeen: number;
  requests: number;
  user: number;
  ended: boolean;
  /** The table has its row. */
  hasRow: boolean;
}

/** A cookie that a client has been sent; it keeps all of them. */
interface Cookie {
  readonly text: string;
  readonly key: string;
  readonly session: Session;
  readonly issued: number;
  readonly backend: number;
}

/** What the model says of a request. */
interface Expected {
  /** The session that serves it; null: a fresh one. */
  readonly session: Session | null;
  /** '?': not known. */
  readonly expired: string;
  readonly outcome: number;
}

const nameOf = ({ a, b, c, d }: Key): string => `${a} ${b} ${c} ${d}`;

/** limpet's own code over a table, and the model beside it. */
class World {
  now = NOW;
  readonly #runtime: ConnectedPool;
  readonly #pool;
  readonly #cookies: Cookie[] = [];
  /** Until when keys that are no more are refused. */
  readonly #refused = new Map<string, number>();
  readonly #keys = new Map<string, Key>();
  readonly #sessions = new Set<Session>();
  readonly #t: TestContext;
  #table!: SessionTable;
  #store!: MemoryStore;
  #slow: { x: Exchange; session: Session; cookie: Cookie } | null = null;

  constructor(t: TestContext) {
    this.#t = t;
    const session = {
      idle: `${IDLE}ms`,
      lifetime: `${LIFETIME}ms`,
      bindTo: ['user-agent'],
      onBindingMismatch: 'renew',
    };
    const { pool } = testPool(
      ['a', 'b', 'c'].map((id) => ({ id })),
      { session, affinity: [{ by: 'cookie' }] },
    );
    this.#pool = pool;
    const policy = {} as BalancingPolicy;
    this.#runtime = new ConnectedPool(pool, buildCascade(contextOf(pool)), null, policy, null, null);
    this.#open();
    this.#setTime();
  }

  #open(): void {
    const table = new SessionTable(SessionTable.allocate(4_000, 8, 2), 1);
    table.setLimits(this.#pool.index, IDLE, LIFETIME);
    this.#table = table;
    this.#store = new MemoryStore(table, new UserIndex(UserIndex.allocate(4_000), table, 1));
  }

  #setTime(): void {
    this.#t.mock.timers.setTime(this.now);
  }

  pass(ms: number): void {
    this.now += ms;
    this.#setTime();
  }

  #cookie(nth: number): Cookie | null {
    return this.#cookies.length === 0 ? null : this.#cookies[nth % this.#cookies.length]!;
  }

  #exchange(cookie: Cookie | null, agent: number): Exchange {
    const client = {
      address: '10.0.0.1',
      tlsIdentity: '',
      secure: false,
      clientHost: () => '',
    } as unknown as ClientSide;
    const x = new Exchange(client, {} as AttemptEvents);
    x.reset();
    x.pool = this.#pool;
    x.runtime = this.#runtime;
    const lines = [`User-Agent: ${AGENTS[agent]}`];
    if (cookie !== null) lines.push(`Cookie: limpet=${cookie.text}`);
    const search = findSession(x, requestOf(lines), this.#runtime, this.#table, this.#store, this.now);
    assert.equal(search, Search.done);
    // A backend is chosen for it.
    if (x.untouched) {
      acceptSession(x, this.#runtime, this.#table);
      touchSession(x, this.#runtime, this.#table);
    }
    return x;
  }

  #expected(cookie: Cookie | null, agent: number): Expected {
    if (cookie === null) return { session: null, expired: '', outcome: Outcome.new };
    const { session, issued } = cookie;
    const { now } = this;
    const over = now - session.began >= LIFETIME;
    if (session.ended || session.key !== cookie.key) {
      // A tombstone stands as long as a cookie could be valid; after it the cookie is over by itself.
      if ((this.#refused.get(cookie.key) ?? Number.POSITIVE_INFINITY) <= now)
        return {
          session: null,
          expired: session.agent !== agent ? '?' : over ? 'lifetime' : 'idle',
          outcome: Outcome.expired,
        };
      return { session: null, expired: '', outcome: Outcome.ended };
    }
    const seen = session.hasRow ? session.lastSeen : issued;
    const idle = now - seen >= IDLE;
    if (over || idle) {
      // The row says which limit was passed first; a cookie alone, whether the session could go on at all.
      const first =
        session.hasRow && idle && !(over && session.began + LIFETIME <= seen + IDLE)
          ? 'idle'
          : over
            ? 'lifetime'
            : 'idle';
      // With the row gone its own cookie is looked at, too.
      const expired = session.agent !== agent ? null : over ? 'lifetime' : first;
      return { session: null, expired: expired ?? '?', outcome: Outcome.expired };
    }
    if (session.agent !== agent) return { session: null, expired: '', outcome: Outcome.invalid };
    return { session, expired: '', outcome: session.hasRow ? Outcome.bound : Outcome.adopted };
  }

  request(nth: number | null, agent: number, slot: number, change: 'none' | 'rotate' | 'end'): void {
    const cookie = nth === null ? null : this.#cookie(nth);
    const expected = this.#expected(cookie, agent);
    const x = this.#exchange(cookie, agent);
    this.#checkFound(x, cookie, expected);
    this.#finish(x, expected.session, slot, change, agent);
  }

  #checkFound(x: Exchange, cookie: Cookie | null, { session, expired, outcome }: Expected): void {
    if (session === null) {
      assert.ok(x.fresh && !x.bound, 'a fresh session');
      assert.ok(!this.#keys.has(nameOf(x.found.key)), 'of an id that was never there');
      if (expired !== '?') assert.deepEqual([x.outcome, x.expired], [outcome, expired]);
      if (cookie !== null && expired !== '' && cookie.session.key === cookie.key) cookie.session.hasRow = false;
      return;
    }
    assert.deepEqual([x.bound, x.outcome, x.expired, nameOf(x.found.key)], [true, outcome, '', session.key]);
    assert.equal(x.createdAt, session.began);
    if (session.hasRow) {
      session.requests++;
      assert.deepEqual([x.row.requests, x.row.backend, x.row.userA], [session.requests, session.backend, session.user]);
    } else {
      // Its cookie is all that is known of it.
      Object.assign(session, { hasRow: false, requests: 1, user: 0, backend: cookie!.backend });
    }
    session.lastSeen = this.now;
    assert.equal(x.boundBackend?.slot, session.backend);
  }

  /** The backend answers. */
  #finish(x: Exchange, found: Session | null, slot: number, change: 'none' | 'rotate' | 'end', agent: number): void {
    const { issuer } = this.#runtime;
    const backend = x.boundBackend ?? this.#pool.backends[slot]!;
    x.backend = backend;
    const response = responseOf([]);
    let line = confirm(x, response, backend, this.#runtime, this.#table, this.#store, () => null);
    const session: Session = found ?? {
      began: this.now,
      agent,
      key: nameOf(x.found.key),
      backend: backend.slot,
      lastSeen: this.now,
      requests: 1,
      user: 0,
      ended: false,
      hasRow: true,
    };
    this.#sessions.add(session);
    const late = session.ended || session.key !== nameOf(x.found.key);
    if (!late) session.hasRow = true;
    if (late) assert.equal(line, '', 'nothing that would take the place of the new one');
    const key = new Key();
    key.copy(x.found.key);
    this.#keys.set(nameOf(key), key);
    if (change !== 'none' && x.strategy !== null && !x.fresh) followRotation(x, this.#table);
    if (change === 'end') {
      line = endSession(x, this.#runtime, this.#store, null, 'test', this.now);
      assert.match(line, found === null ? /^$/ : /Max-Age=0/);
      line = '';
      session.ended = true;
      this.#refuse(session.key);
    } else if (change === 'rotate') {
      const rotated = rotateSession(x, this.#runtime, this.#table, this.#store, null, line, this.now);
      const alive = !late && found !== null && this.#isLive(session);
      if (found !== null) assert.equal(rotated !== '', alive, 'only what lives gets another id');
      line = rotated;
      if (alive) {
        this.#refuse(session.key);
        session.key = nameOf(x.found.key);
      }
      key.copy(x.found.key);
      this.#keys.set(nameOf(key), Object.assign(new Key(), { a: key.a, b: key.b, c: key.c, d: key.d }));
    }
    if (line === '') return;
    const text = /=([^;]+)/.exec(line)![1]!;
    const read = new FoundKey();
    const proof: CookieProof = { began: 0, issued: 0, backend: null, binding: 0 };
    assert.equal(issuer!.find(requestOf([`Cookie: limpet=${text}`]), '', 0, read), Find.found);
    assert.ok(issuer!.verify(read, this.now, proof));
    assert.deepEqual([proof.began, proof.issued, proof.backend?.slot], [session.began, this.now, backend.slot]);
    assert.equal(nameOf(read.key), session.key);
    this.#cookies.push({ text, key: session.key, session, issued: this.now, backend: backend.slot });
  }

  #isLive({ ended, hasRow, lastSeen, began }: Session): boolean {
    return !ended && hasRow && this.now - lastSeen < IDLE && this.now - began < LIFETIME;
  }

  /** A request comes, and is answered by `slowEnd`. */
  slowBegin(nth: number): void {
    const cookie = this.#cookie(nth);
    if (cookie === null || this.#slow !== null) return;
    const { agent } = cookie.session;
    const expected = this.#expected(cookie, agent);
    if (expected.session === null || !expected.session.hasRow) return;
    const x = this.#exchange(cookie, agent);
    this.#checkFound(x, cookie, expected);
    this.#slow = { x, session: expected.session, cookie };
  }

  slowEnd(change: 'none' | 'rotate' | 'end'): void {
    const slow = this.#slow;
    if (slow === null) return;
    this.#slow = null;
    // What has become of its row meanwhile is another test's matter.
    if (
      !slow.session.hasRow ||
      !(slow.session.ended || slow.session.key !== slow.cookie.key || this.#isLive(slow.session))
    )
      return;
    this.#finish(slow.x, slow.session, 0, change, slow.session.agent);
    const row = new Row();
    if (this.#table.peek(this.#keys.get(slow.session.key)!, this.now, row) === Lookup.LIVE)
      slow.session.lastSeen = row.lastSeen;
  }

  #refuse(key: string): void {
    if (!this.#refused.has(key)) this.#refused.set(key, refusedUntil({ idle: IDLE, lifetime: LIFETIME }, this.now));
  }

  /** An operator ends the session. */
  end(nth: number): void {
    const session = this.#cookie(nth)?.session;
    if (session === undefined || !this.#isLive(session)) return;
    const { began, key } = session;
    this.#store.end(
      this.#keys.get(key)!,
      this.#pool,
      began,
      refusedUntil({ idle: IDLE, lifetime: LIFETIME }, this.now),
      this.now,
    );
    session.ended = true;
    this.#refuse(key);
  }

  move(nth: number, slot: number): void {
    const session = this.#cookie(nth)?.session;
    if (session === undefined || !this.#isLive(session)) return;
    const { generation } = this.#pool.backends[slot]!;
    this.#table.move(
      this.#keys.get(session.key)!,
      session.backend,
      slot,
      generation,
      MoveReason.operator,
      this.now,
      new Row(),
    );
    session.backend = slot;
  }

  setUser(nth: number, user: number): void {
    const session = this.#cookie(nth)?.session;
    if (session === undefined || !this.#isLive(session)) return;
    this.#table.setUser(this.#keys.get(session.key)!, user, user);
    session.user = user;
  }

  /** Its row goes for lack of room. */
  evict(nth: number): void {
    const session = this.#cookie(nth)?.session;
    if (session === undefined || !this.#isLive(session)) return;
    this.#table.remove(this.#keys.get(session.key)!);
    session.hasRow = false;
  }

  sweep(): void {
    this.#table.sweep(this.#table.buckets, this.now);
    for (const session of this.#sessions) if (session.hasRow && !this.#isLive(session)) session.hasRow = false;
  }

  /** Another process, with the snapshot of this one. */
  restart(): void {
    this.#slow = null;
    const before = this.#table;
    this.#open();
    const take = (record: RowRecord): void => void this.#table.merge(record, this.now);
    before.copy(0, before.buckets, take, this.now);
    for (let cursor = 0; cursor >= 0; ) cursor = before.copyEnded(cursor, 100, take, this.now);
    this.sweep();
  }

  check(): void {
    const row = new Row();
    for (const session of this.#sessions) {
      const found = this.#table.peek(this.#keys.get(session.key)!, this.now, row);
      assert.equal(found === Lookup.LIVE, this.#isLive(session));
      if (found !== Lookup.LIVE) continue;
      const { began, backend, user, requests } = session;
      assert.deepEqual([row.created, row.backend, row.userA, row.requests], [began, backend, user, requests]);
    }
  }
}

const nth = fc.nat(1_000);
const slot = fc.nat(2);
const change = fc.constantFrom('none' as const, 'none' as const, 'none' as const, 'rotate' as const, 'end' as const);
const step: fc.Arbitrary<(world: World) => void> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(slot, change, fc.nat(1)).map(
      ([at, what, agent]) =>
        (w: World) =>
          w.request(null, agent, at, what),
    ),
  },
  {
    weight: 12,
    arbitrary: fc.tuple(nth, slot, change, fc.constantFrom(0, 0, 0, 1)).map(
      ([n, at, what, agent]) =>
        (w: World) =>
          w.request(n, agent, at, what),
    ),
  },
  { weight: 4, arbitrary: fc.integer({ min: 1, max: IDLE / 2 }).map((ms) => (w: World) => w.pass(ms)) },
  { weight: 1, arbitrary: fc.integer({ min: IDLE - 5, max: LIFETIME }).map((ms) => (w: World) => w.pass(ms)) },
  { weight: 2, arbitrary: nth.map((n) => (w: World) => w.slowBegin(n)) },
  { weight: 2, arbitrary: change.map((what) => (w: World) => w.slowEnd(what)) },
  { weight: 1, arbitrary: nth.map((n) => (w: World) => w.end(n)) },
  {
    weight: 2,
    arbitrary: fc.tuple(nth, slot).map(
      ([n, to]) =>
        (w: World) =>
          w.move(n, to),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(nth, fc.integer({ min: 1, max: 9 })).map(
      ([n, user]) =>
        (w: World) =>
          w.setUser(n, user),
    ),
  },
  { weight: 1, arbitrary: nth.map((n) => (w: World) => w.evict(n)) },
  { weight: 1, arbitrary: fc.constant((w: World) => w.sweep()) },
  { weight: 1, arbitrary: fc.constant((w: World) => w.restart()) },
);

test('whatever happens to it, no session that has ended, expired or been given another id is served, and the others keep what they are (9, 20, 23, 24)', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: NOW });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const world = new World(t);
      for (const does of steps) {
        does(world);
        world.check();
      }
    }),
    { numRuns: 400 },
  );
});
