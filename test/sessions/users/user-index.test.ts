import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { Key } from '../../../src/keys/key.ts';
import { format } from '../../../src/keys/public-id.ts';
import { Lookup, Row, SessionTable } from '../../../src/sessions/table/table.ts';
import { HOLD_MS, UserIndex, type WhenFull } from '../../../src/sessions/users/user-index.ts';
import { randomKeys, randomWords } from '../random-keys.ts';
import type { UserThreadData, UserThreadResult } from './user-thread.ts';

const T = 1_750_000_000_000;
const IDLE = 1_000;
const LIFETIME = 20_000;
const anna = { a: 17, b: 1 };
/** On the same chain, whatever their number. */
const bert = { a: 17, b: 2 };

function open(room = 100) {
  const table = new SessionTable(SessionTable.allocate(1_000, 8, 4, 4), 1);
  table.setLimits(0, IDLE, LIFETIME);
  const index = new UserIndex(UserIndex.allocate(room), table, 1);
  const row = new Row();
  const begin = (key: Key, now: number): void => {
    table.adopt(key, 0, 1, 1, 0, now, now, row);
    assert.equal(row.state, Lookup.LIVE);
  };
  const users = (key: Key, now: number): [number, number] => {
    table.peek(key, now, row);
    return [row.userA, row.userB];
  };
  return { table, index, begin, users, row };
}

describe('the sessions of a user', () => {
  test('the least recently seen ones make room, never the one that claims', () => {
    const { index, begin, table, row } = open();
    const [one, two, three] = randomKeys(3, 1) as [Key, Key, Key];
    begin(one, T);
    begin(two, T + 1);
    assert.deepEqual(index.claim(one, anna, 2, 'end-oldest', T + 2).over, []);
    assert.deepEqual(index.claim(two, anna, 2, 'end-oldest', T + 2).over, []);
    table.lookup(one, T + 3, IDLE, LIFETIME, row);
    begin(three, T - 500);
    assert.deepEqual(
      index.claim(three, anna, 2, 'end-oldest', T + 4).over.map(({ key }) => format(key)),
      [format(two)],
    );
    assert.equal(index.count(anna, T + 4), 2);
    assert.equal(index.claim(three, bert, 2, 'end-oldest', T + 4).granted, true);
    assert.equal(index.count(anna, T + 4), 1);
  });

  test('a lower limit holds from the next claim on', () => {
    const { index, begin } = open();
    const keys = randomKeys(6, 2);
    for (const [n, key] of keys.entries()) {
      begin(key, T + n);
      assert.equal(index.claim(key, anna, 10, 'refuse', T + n).granted, true);
    }
    assert.equal(index.claim(keys[5]!, anna, 2, 'refuse', T + 9).granted, true);
    assert.equal(index.claim(randomKeys(1, 3)[0]!, anna, 6, 'refuse', T + 9).granted, false);
    assert.deepEqual(
      index.claim(keys[0]!, anna, 2, 'end-oldest', T + 9).over.map(({ key }) => format(key)),
      keys.slice(1, 5).map(format),
    );
  });

  test('a place is held for a session that has no row yet, for a while', () => {
    const { index, begin, users } = open();
    const [one, two] = randomKeys(2, 4) as [Key, Key];
    assert.equal(index.claim(one, anna, 1, 'refuse', T, true).granted, true);
    assert.equal(index.claim(two, anna, 1, 'refuse', T + 1, true).granted, false);
    index.drop(one, anna, T + 2);
    assert.equal(index.claim(two, anna, 1, 'refuse', T + 3, true).granted, true);
    begin(two, T + 4);
    assert.equal(index.claim(two, anna, 1, 'refuse', T + 4).granted, true);
    assert.deepEqual(users(two, T + 4), [17, 1]);
    assert.equal(index.claim(one, anna, 1, 'refuse', T + 5, true).granted, false);
    // Nobody came back for the place.
    assert.equal(index.claim(one, bert, 1, 'refuse', T, true).granted, true);
    assert.equal(index.claim(two, bert, 1, 'refuse', T + HOLD_MS + 1_000, true).granted, true);
  });

  test('a session that got another key is one session, and the other key counts', () => {
    const { index, begin, table, row } = open();
    const [one, two, three, four] = randomKeys(4, 5) as [Key, Key, Key, Key];
    begin(one, T);
    index.claim(one, anna, 1, 'refuse', T);
    assert.equal(table.rotate(one, two, T + 100_000, T + 1, row), true);
    assert.equal(table.rotate(two, three, T + 100_000, T + 2, row), true);
    assert.equal(index.add(three, anna, T + 3), true);
    assert.equal(index.size, 1);
    assert.equal(index.claim(four, anna, 1, 'refuse', T + 3).granted, false);
    begin(four, T + 3);
    assert.deepEqual(
      index.claim(four, anna, 1, 'end-oldest', T + 3).over.map(({ key }) => format(key)),
      [format(three)],
    );
  });

  test('a full index refuses nobody', () => {
    const { index, begin, users } = open(2);
    const [one, two, three] = randomKeys(3, 6) as [Key, Key, Key];
    for (const key of [one, two, three]) begin(key, T);
    index.claim(one, anna, 5, 'refuse', T);
    index.claim(two, anna, 5, 'refuse', T);
    assert.deepEqual(index.claim(three, anna, 5, 'refuse', T), { granted: true, over: [], missed: true });
    assert.deepEqual(users(three, T), [17, 1]);
    assert.equal(index.add(three, anna, T), false);
    begin(one, T + IDLE);
    index.sweep(index.chains, T + IDLE);
    assert.equal(index.size, 0);
  });

  for (const whenFull of ['end-oldest', 'refuse'] as const) {
    test(`random lives of sessions against a plain model: ${whenFull}`, () => {
      for (let seed = 1; seed <= 20; seed++) play(seed, whenFull);
    });
  }

  test('of all claims of one user in several threads at once as many are left as allowed', async () => {
    for (const whenFull of ['end-oldest', 'refuse'] as const) {
      const memory = SessionTable.allocate(4_000, 8, 8, 4);
      const users = UserIndex.allocate(4_000);
      const flags = new Int32Array(new SharedArrayBuffer(8));
      const results = [2, 3, 4].map((owner) => {
        const data: UserThreadData = { memory, users, owner, flags, keys: 200, max: 7, whenFull };
        const thread = new Worker(new URL('./user-thread.ts', import.meta.url), { workerData: data });
        return new Promise<UserThreadResult>((resolve, reject) =>
          thread.once('message', resolve).once('error', reject),
        );
      });
      const all = await Promise.all(results);
      const table = new SessionTable(memory, 1);
      const index = new UserIndex(users, table, 1);
      assert.equal(index.count(anna, T), 7);
      let live = 0;
      table.copy(
        0,
        table.buckets,
        (record) => {
          if (!record.ended && record.userA === anna.a && record.userB === anna.b) live++;
        },
        T,
      );
      assert.equal(live, 7);
      assert.equal(
        all.reduce((sum, { granted }) => sum + granted, 0),
        whenFull === 'refuse' ? 7 : 600,
      );
    }
  });
});

/** What the index and the table should know of a session. */
interface Model {
  readonly key: Key;
  created: number;
  lastSeen: number;
  user: number;
  row: boolean;
}

function play(seed: number, whenFull: WhenFull): void {
  const { table, index, row } = open(400);
  const keys = randomKeys(3_000, 100 + seed);
  const next = randomWords(seed);
  const pick = (count: number): number => (next() >>> 0) % count;
  const people = [anna, bert, { a: 99, b: 1 }];
  let sessions: Model[] = [];
  let now = T;
  const live = (s: Model): boolean => s.row && now - s.lastSeen < IDLE && now - s.created < LIFETIME;
  const of = (user: number): Model[] => sessions.filter((s) => live(s) && s.user === user);
  for (let turn = 0; turn < 400; turn++) {
    now += pick(40);
    const session = sessions[pick(sessions.length + 1)] ?? null;
    switch (pick(9)) {
      case 0:
      case 1: {
        const key = keys.pop()!;
        table.adopt(key, 0, 1, 1, 0, now, now, row);
        sessions.push({ key, created: now, lastSeen: now, user: -1, row: true });
        break;
      }
      case 2:
      case 3:
      case 4: {
        if (session === null || !live(session)) break;
        const user = pick(3);
        const max = 1 + pick(5);
        const others = of(user).filter((s) => s !== session);
        const own = of(user).includes(session);
        const verdict = index.claim(session.key, people[user]!, max, whenFull, now);
        const refused = whenFull === 'refuse' && others.length >= max && !own;
        assert.equal(verdict.granted, !refused, `seed ${seed}, turn ${turn}`);
        const over = verdict.over.map(({ key }) => format(key));
        assert.equal(over.length, whenFull === 'refuse' ? 0 : Math.max(0, others.length + 1 - max));
        const gone = others.filter(({ key }) => over.includes(format(key)));
        assert.equal(gone.length, over.length);
        for (const s of gone) {
          for (const stays of others) if (!gone.includes(stays)) assert.ok(s.lastSeen <= stays.lastSeen);
          table.end(s.key, now, now + 50_000);
          s.row = false;
        }
        if (!refused) session.user = user;
        break;
      }
      case 5: {
        if (session === null || !live(session)) break;
        table.lookup(session.key, now, IDLE, LIFETIME, row);
        session.lastSeen = now;
        break;
      }
      case 6: {
        if (session === null || !live(session)) break;
        const key = keys.pop()!;
        assert.equal(table.rotate(session.key, key, now + 50_000, now, row), true);
        sessions = sessions.map((s) => (s === session ? { ...s, key } : s));
        break;
      }
      case 7: {
        if (session === null) break;
        if (pick(2) === 0) table.end(session.key, now, now + 50_000);
        else table.remove(session.key);
        session.row = false;
        break;
      }
      case 8:
        if (pick(3) === 0) index.sweep(index.chains, now);
        else {
          const known = sessions.find((s) => live(s) && s.user >= 0);
          if (known !== undefined) assert.equal(index.add(known.key, people[known.user]!, now), true);
        }
        break;
    }
    for (const [user, words] of people.entries())
      assert.equal(index.count(words, now), of(user).length, `seed ${seed}, turn ${turn}`);
  }
  now += LIFETIME + IDLE;
  index.sweep(index.chains, now);
  assert.equal(index.size, 0);
}
