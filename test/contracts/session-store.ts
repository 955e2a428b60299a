import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Backend } from '../../src/backends/backend.ts';
import type { Pool } from '../../src/backends/pool.ts';
import type { Key } from '../../src/keys/key.ts';
import { format } from '../../src/keys/public-id.ts';
import { Claim, type SessionStore } from '../../src/sessions/store/store.ts';
import { MoveReason } from '../../src/sessions/table/move-reasons.ts';
import { Lookup, Row, type SessionTable } from '../../src/sessions/table/table.ts';
import type { UserWords } from '../../src/sessions/table/user-words.ts';
import type { UserVerdict } from '../../src/sessions/users/user-index.ts';
import { randomKeys } from '../sessions/random-keys.ts';
import { eventually } from '../support/eventually.ts';

/** One of the nodes, or workers, that share sessions. */
export interface StoreNode {
  readonly store: SessionStore;
  readonly table: SessionTable;
  /** The pool shop, with backends a, b and c; sessions idle for 30 min and live for 12 h at most. */
  readonly pool: Pool;
}

/** What the suite needs of an implementation. */
export interface StoreContract {
  /** Two that share sessions, as they do on a usual day. */
  open(): Promise<{
    readonly nodes: readonly [StoreNode, StoreNode];
    /** Settles when nothing is wrong: a machine that stood still for a moment may have tripped a breaker. */
    ready(): Promise<unknown>;
    /** Another number when a breaker has tripped since. */
    stamp(): number;
    close(): Promise<void>;
  }>;
}

const TOKEN = 4;
const COOKIE = 0;
const PATIENCE = 20_000;

/** The backend that a node's table has a session on; null: it has none. */
export function homeOf({ table, pool }: StoreNode, key: Key): string | null {
  const row = new Row();
  if (table.peek(key, Date.now(), row) !== Lookup.LIVE) return null;
  return pool.bySlot[row.backend]?.id ?? null;
}

/** A first request of a key, and where it ended up. */
export async function claimOn(node: StoreNode, key: Key, id: string): Promise<{ claim: Claim; home: string | null }> {
  const { store, pool } = node;
  const claim = await store.claim(key, pool, backend(node, id), TOKEN, Date.now(), new Row());
  return { claim, home: homeOf(node, key) };
}

function backend({ pool }: StoreNode, id: string): Backend {
  return pool.byId.get(id)!;
}

/** What holds for every store, for two that share it. */
export function storeContract(name: string, contract: StoreContract): void {
  describe(`${name}: sessions of two that share them`, () => {
    let one: StoreNode;
    let two: StoreNode;
    let close: () => Promise<void>;
    let ready: () => Promise<unknown>;
    let stamp: () => number;
    let keys: Key[];
    const next = (): Key => keys.pop()!;
    before(async () => {
      const opened = await contract.open();
      [one, two] = opened.nodes;
      ({ close, ready, stamp } = opened);
      keys = randomKeys(5_000, 7 + name.length);
    });
    beforeEach(() => ready());
    after(() => close?.());

    /** A session that a backend has answered on the first node, and that the second knows too. */
    async function shared(id: string): Promise<Key> {
      const key = next();
      await claimOn(one, key, id);
      one.table.confirm(key, backend(one, id).slot, Date.now());
      assert.equal((await claimOn(two, key, 'c')).home, id);
      return key;
    }
    const both = (what: string, key: Key, home: string | null): Promise<true> =>
      eventually(what, () => homeOf(one, key) === home && homeOf(two, key) === home, PATIENCE);

    test('nothing is refused on a usual day', () => {
      assert.equal(one.store.refuses, false);
    });

    test('18: a key is claimed once, and whoever comes later goes where it is', async () => {
      const key = next();
      assert.deepEqual(await claimOn(one, key, 'a'), { claim: Claim.made, home: 'a' });
      assert.deepEqual(await claimOn(two, key, 'b'), { claim: Claim.bound, home: 'a' });
      assert.deepEqual(await claimOn(one, key, 'c'), { claim: Claim.bound, home: 'a' });
    });

    test('18: of claims at the same moment one wins, and all go where it says', async () => {
      // Not all at once: a claim is not waited for longer than half a second.
      for (let round = 0; round < 25; round++) {
        await ready();
        const before = stamp();
        const claims = await Promise.all(
          keys.splice(0, 20).map(async (key) => {
            const said = await Promise.all([
              claimOn(one, key, 'a'),
              claimOn(two, key, 'b'),
              claimOn(one, key, 'c'),
              claimOn(two, key, 'a'),
            ]);
            return { key, said };
          }),
        );
        // A machine that stood still tripped the breaker: then nodes decide alone, as they should. Once more.
        if (stamp() !== before && round-- >= 0) continue;
        for (const { key, said } of claims) {
          assert.equal(said.filter(({ claim }) => claim === Claim.made).length, 1);
          const row = new Row();
          one.table.peek(key, Date.now(), row);
          assert.equal(row.pending, false);
          for (const { home } of said) assert.equal(home, said[0]!.home);
        }
      }
    });

    test('18: a pending row is asked about, not believed', async () => {
      const key = next();
      const now = Date.now();
      const row = new Row();
      const claim = two.store.claim(key, two.pool, backend(two, 'b'), TOKEN, now, row);
      const joined = two.table.peek(key, now, row) === Lookup.LIVE && two.store.join(key, two.pool, row, now);
      assert.deepEqual([await claim, await joined].sort(), [Claim.made, Claim.bound].sort());
      assert.equal(homeOf(two, key), 'b');
    });

    test('what is known of a session goes with it: when it began and how often it moved', async () => {
      const key = await shared('a');
      const row = new Row();
      one.table.peek(key, Date.now(), row);
      one.store.move(key, one.pool, backend(one, 'b'), MoveReason['backend-down'], Date.now(), row);
      await both('the move', key, 'b');
      const other = new Row();
      await eventually(
        'the same count of moves',
        () =>
          one.table.peek(key, Date.now(), row) + two.table.peek(key, Date.now(), other) > 0 &&
          row.moves === other.moves,
        PATIENCE,
      );
      assert.equal(row.moves, 1);
      assert.equal(other.created, row.created);
    });

    test('33: a session moves for all, once, also when two move it at the same moment', async () => {
      for (let turn = 0; turn < 50; turn++) {
        const key = await shared('a');
        for (const [node, id] of [
          [one, 'b'],
          [two, 'c'],
        ] as const) {
          const row = new Row();
          node.table.peek(key, Date.now(), row);
          node.store.move(key, node.pool, backend(node, id), MoveReason['backend-down'], Date.now(), row);
        }
        await eventually(
          'both to agree',
          () => homeOf(one, key) === homeOf(two, key) && homeOf(one, key) !== 'a',
          PATIENCE,
        );
      }
    });

    test('a claim that no backend has answered is given back, unless somebody else relies on it', async () => {
      const key = next();
      await claimOn(one, key, 'a');
      one.store.release(key, one.pool, backend(one, 'a').slot);
      assert.deepEqual(await claimOn(two, key, 'b'), { claim: Claim.made, home: 'b' });

      const answered = await shared('a');
      two.store.release(answered, two.pool, backend(two, 'a').slot);
      one.store.release(answered, one.pool, backend(one, 'a').slot);
      assert.equal((await claimOn(one, answered, 'b')).home, 'a');
    });

    test('24: an ended session stays ended for all, and its cookie does not bring it back', async () => {
      const key = next();
      const began = Date.now() - 60_000;
      const row = new Row();
      for (const { store, pool, table } of [one, two]) {
        const claim = await store.recall(key, pool, pool.byId.get('a')!, COOKIE, began, Date.now());
        assert.ok(claim === Claim.bound || claim === Claim.unknown);
        if (table.peek(key, Date.now(), row) !== Lookup.LIVE)
          store.adopt(key, pool, pool.byId.get('a')!, pool.byId.get('a')!, COOKIE, began, 0, Date.now(), row);
      }
      one.store.end(key, one.pool, began, Date.now() + 3600_000, Date.now());
      await eventually(
        'both to refuse it',
        () => {
          const now = Date.now();
          return one.table.peek(key, now, row) === Lookup.ENDED && two.table.peek(key, now, row) === Lookup.ENDED;
        },
        PATIENCE,
      );
      for (const { store, pool } of [one, two]) {
        const claim = await store.recall(key, pool, pool.byId.get('a')!, COOKIE, began, Date.now());
        assert.ok(claim === Claim.ended || claim === Claim.unknown);
      }
    });

    test('an ended key that the client chose begins anew', async () => {
      const key = await shared('a');
      const row = new Row();
      one.table.peek(key, Date.now(), row);
      one.store.end(key, one.pool, row.created, Date.now() + 3600_000, Date.now());
      await eventually('the end', () => two.table.peek(key, Date.now(), row) === Lookup.ENDED, PATIENCE);
      assert.deepEqual(await claimOn(two, key, 'b'), { claim: Claim.made, home: 'b' });
      assert.deepEqual(await claimOn(one, key, 'c'), { claim: Claim.bound, home: 'b' });
    });

    test('a key that is let go of is free at once, for all', async () => {
      const key = await shared('a');
      const row = new Row();
      one.table.peek(key, Date.now(), row);
      one.store.end(key, one.pool, row.created, 0, Date.now());
      await both('it to be gone', key, null);
      assert.deepEqual(await claimOn(two, key, 'b'), { claim: Claim.made, home: 'b' });
      assert.deepEqual(await claimOn(one, key, 'c'), { claim: Claim.bound, home: 'b' });
    });

    test('9: a session that its cookie proves began when the cookie says', async () => {
      const key = next();
      const began = Date.now() - 3600_000;
      const row = new Row();
      const claim = await one.store.recall(key, one.pool, backend(one, 'c'), COOKIE, began, Date.now());
      if (claim === Claim.unknown)
        one.store.adopt(key, one.pool, backend(one, 'c'), backend(one, 'c'), COOKIE, began, 0, Date.now(), row);
      assert.equal(one.table.peek(key, Date.now(), row), Lookup.LIVE);
      assert.equal(row.created, began);
      assert.equal(homeOf(one, key), 'c');
      // A proof that is older than the last move names the backend from before it.
      one.store.move(key, one.pool, backend(one, 'b'), MoveReason['backend-down'], Date.now(), row);
      await eventually(
        'the other to know',
        async () => {
          await two.store.recall(key, two.pool, backend(two, 'c'), COOKIE, began, Date.now());
          return homeOf(two, key) === 'b';
        },
        PATIENCE,
      );
    });

    test('33: a session that was found by its cookie moves for all', async () => {
      const key = next();
      const began = Date.now() - 1000;
      const row = new Row();
      one.store.adopt(key, one.pool, backend(one, 'a'), backend(one, 'b'), COOKIE, began, 0, Date.now(), row);
      one.table.confirm(key, backend(one, 'b').slot, Date.now());
      assert.equal(homeOf(one, key), 'b');
      await eventually(
        'the other to know',
        async () => {
          await two.store.recall(key, two.pool, backend(two, 'a'), COOKIE, began, Date.now());
          return homeOf(two, key) === 'b';
        },
        PATIENCE,
      );
    });

    test('17: the application has the last word on where a learned key lives', async () => {
      const key = await shared('a');
      two.store.bind(key, two.pool, backend(two, 'c'), TOKEN, Date.now());
      await both('the word to get about', key, 'c');
      const fresh = next();
      two.store.bind(fresh, two.pool, backend(two, 'b'), TOKEN, Date.now());
      await eventually('the other to go there', async () => (await claimOn(one, fresh, 'a')).home === 'b', PATIENCE);
    });

    test('23: what is over its limits is not there any more', async () => {
      const key = next();
      const long = Date.now() - 13 * 3600_000;
      await one.store.recall(key, one.pool, backend(one, 'a'), COOKIE, long, long);
      const claim = await two.store.recall(key, two.pool, backend(two, 'b'), COOKIE, Date.now(), Date.now());
      assert.ok(claim === Claim.unknown || homeOf(two, key) === 'b');
    });

    /** Number of the life that a session is bound to, as a node's table has it; 0: it has none. */
    const lifeOf = (node: StoreNode, key: Key): number => {
      const row = new Row();
      if (node.table.peek(key, Date.now(), row) !== Lookup.LIVE) return 0;
      return node.pool.bySlot[row.backend]!.life.numberOf(row.generation);
    };

    test('M1, 114: a life that ends on one has ended for all, once, and sessions stay bound to the one that they were in', async () => {
      const early = await shared('c');
      const late = next();
      const before = backend(one, 'c').life.number;
      // Only the first knows of it, and the other asks after the restart.
      await claimOn(one, late, 'c');
      one.table.confirm(late, backend(one, 'c').slot, Date.now());
      for (const node of [one, two]) backend(node, 'c').life.end(before, Date.now());
      await eventually(
        'both to know',
        () => [one, two].every((node) => backend(node, 'c').life.number > before),
        PATIENCE,
      );
      assert.deepEqual(await claimOn(two, late, 'b'), { claim: Claim.bound, home: 'c' });
      for (const node of [one, two]) {
        assert.equal(backend(node, 'c').life.number, before + 1);
        assert.equal(lifeOf(node, early), before, 'where it was before');
        assert.equal(lifeOf(node, late), before);
      }
      const fresh = next();
      await claimOn(two, fresh, 'c');
      await eventually('the session', async () => (await claimOn(one, fresh, 'a')).home === 'c', PATIENCE);
      assert.deepEqual([lifeOf(one, fresh), lifeOf(two, fresh)], [before + 1, before + 1]);
      // It stays, as there is nowhere to go that knows it, and takes on the life that its backend has.
      const { slot, life } = backend(two, 'c');
      two.table.confirm(early, slot, Date.now(), life.stamp);
      await eventually('the other to know', () => lifeOf(one, early) === before + 1, PATIENCE);
      one.store.move(early, one.pool, backend(one, 'b'), MoveReason['backend-restarted'], Date.now(), new Row());
      assert.equal(lifeOf(two, late), before);
    });

    test('M1, 114: a cookie brings its session back into the life that it was issued in', async () => {
      const { life } = backend(one, 'b');
      const before = life.number;
      life.end(before, Date.now());
      await eventually('both to know', () => backend(two, 'b').life.number > before, PATIENCE);
      const key = next();
      const began = Date.now() - 1000;
      const row = new Row();
      const stamp = life.stampOf(before);
      const claim = await one.store.recall(key, one.pool, backend(one, 'b'), COOKIE, began, Date.now(), stamp);
      if (claim === Claim.unknown)
        one.store.adopt(key, one.pool, backend(one, 'b'), backend(one, 'b'), COOKIE, began, 0, Date.now(), row, stamp);
      assert.equal(lifeOf(one, key), before);
      await eventually(
        'the other to know',
        async () => {
          await two.store.recall(key, two.pool, backend(two, 'b'), COOKIE, began, Date.now());
          return homeOf(two, key) === 'b';
        },
        PATIENCE,
      );
      assert.equal(lifeOf(two, key), before);
    });

    /** The pool with a limit per user. */
    const limited = (pool: Pool, max: number, whenFull: 'end-oldest' | 'refuse'): Pool => {
      const { config } = pool;
      const perUser = { ...config.session.perUser, max, whenFull };
      return { ...pool, config: { ...config, session: { ...config.session, perUser } } };
    };
    let people = 0;
    /** When sessions begin that have no row yet. */
    const BEGAN = Date.now();
    const somebody = (): UserWords => ({ a: 1000 + ++people, b: 7 });
    /** What all nodes say in the end of a session that gets its user. */
    const claimUser = async (
      node: StoreNode,
      key: Key,
      user: UserWords,
      max: number,
      whenFull: 'end-oldest' | 'refuse',
      hold = false,
    ): Promise<UserVerdict> => {
      const now = Date.now();
      const row = new Row();
      const created = node.table.peek(key, now, row) === Lookup.LIVE ? row.created : BEGAN;
      const pool = limited(node.pool, max, whenFull);
      const { verdict, later } = node.store.claimUser({ key, pool, user, created, hold }, now);
      const said = verdict.granted ? await (later ?? verdict) : verdict;
      return {
        ...said,
        over: [...verdict.over, ...said.over].filter(
          ({ key: a }, n, all) => all.findIndex(({ key: b }) => a.equals(b)) === n,
        ),
      };
    };
    const userOf = ({ table }: StoreNode, key: Key): [number, number] => {
      const row = new Row();
      table.peek(key, Date.now(), row);
      return [row.userA, row.userB];
    };
    const answeredOn = async (node: StoreNode): Promise<Key> => {
      const key = next();
      await claimOn(node, key, 'a');
      node.table.confirm(key, backend(node, 'a').slot, Date.now());
      return key;
    };

    test('a user has no more sessions than allowed: the one that was seen least recently has to end', async () => {
      const user = somebody();
      const keys = [await answeredOn(one), await answeredOn(two), await answeredOn(one)];
      for (const [n, key] of keys.entries()) {
        const node = n === 1 ? two : one;
        const { granted, over } = await claimUser(node, key, user, 2, 'end-oldest');
        assert.equal(granted, true);
        assert.deepEqual(userOf(node, key), [user.a, user.b]);
        assert.deepEqual(
          over.map((session) => format(session.key)),
          n < 2 ? [] : [format(keys[0]!)],
        );
        const row = new Row();
        for (const session of over) {
          assert.equal(one.table.peek(session.key, Date.now(), row), Lookup.LIVE);
          assert.equal(session.created, row.created);
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    });

    test('a user who has as many sessions as allowed gets none more, until one has ended', async () => {
      const user = somebody();
      const [first, second, third] = [await answeredOn(one), await answeredOn(two), await answeredOn(two)];
      const claim = async (node: StoreNode, key: Key): Promise<boolean> =>
        (await claimUser(node, key, user, 2, 'refuse')).granted;
      assert.deepEqual([await claim(one, first), await claim(two, second)], [true, true]);
      assert.equal(await claim(two, third), false);
      assert.deepEqual(userOf(two, third), [0, 0]);
      // One that it has already is never refused.
      assert.equal(await claim(one, first), true);
      one.store.end(first, one.pool, Date.now(), Date.now() + 60_000, Date.now());
      await eventually('the end to be known', () => claim(two, third), PATIENCE);
      assert.deepEqual(userOf(two, third), [user.a, user.b]);
    });

    test('a place may be held for a session before it begins, and given back', async () => {
      const user = somebody();
      const [first, second] = [next(), next()];
      const hold = async (node: StoreNode, key: Key): Promise<boolean> =>
        (await claimUser(node, key, user, 1, 'refuse', true)).granted;
      assert.equal(await hold(one, first), true);
      assert.equal(await hold(two, second), false);
      one.store.dropUser(first, limited(one.pool, 1, 'refuse'), user, BEGAN, Date.now());
      await eventually('the place to be free', () => hold(two, second), PATIENCE);
      assert.equal(await hold(one, first), false);
    });

    test('a session that goes on under another key is one session', async () => {
      const user = somebody();
      const [first, second, other] = [await answeredOn(one), next(), await answeredOn(two)];
      assert.equal((await claimUser(one, first, user, 1, 'refuse')).granted, true);
      const now = Date.now();
      const row = new Row();
      assert.equal(one.table.rotate(first, second, now + 60_000, now, row), true);
      one.store.end(first, one.pool, row.created, now + 60_000, now);
      one.store.renameUser(first, second, limited(one.pool, 1, 'refuse'), user, row.created, now);
      assert.equal((await claimUser(two, other, user, 1, 'refuse')).granted, false);
      assert.equal((await claimUser(one, second, user, 1, 'refuse')).granted, true);
    });

    for (const whenFull of ['end-oldest', 'refuse'] as const) {
      test(`of claims of one user at the same moment as many stay as allowed: ${whenFull}`, async () => {
        for (let round = 0; ; round++) {
          await ready();
          const before = stamp();
          const user = somebody();
          const nodes = Array.from({ length: 12 }, (_, n) => (n % 2 === 0 ? one : two));
          const keys = await Promise.all(nodes.map((node) => answeredOn(node)));
          const said = await Promise.all(nodes.map((node, n) => claimUser(node, keys[n]!, user, 3, whenFull)));
          // A machine that stood still tripped the breaker: then nodes decide alone, as they should. Once more.
          if (stamp() !== before && round < 5) continue;
          const over = new Set(said.flatMap((verdict) => verdict.over.map(({ key }) => format(key))));
          const stay = said.filter(({ granted }, n) => granted && !over.has(format(keys[n]!)));
          assert.equal(stay.length, 3);
          break;
        }
      });
    }
  });
}
