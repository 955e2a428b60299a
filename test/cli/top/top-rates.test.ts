import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TopLook } from '../../../src/cli/top/top-look.ts';
import { rate } from '../../../src/cli/top/top-rates.ts';

function lookOf(
  at: number,
  backends: Record<string, number>,
  sessions: Record<string, number> = {},
  more = false,
): TopLook {
  const requests = Object.values(backends).reduce((sum, one) => sum + one, 0);
  return {
    at,
    status: { requests },
    pools: [{ name: 'shop', backends: Object.entries(backends).map(([id, count]) => ({ id, requests: count })) }],
    sessions: Object.entries(sessions).map(([key, count]) => ({ key, requests: count })),
    more,
  };
}

const rates = (before: TopLook | null, after: TopLook) => {
  const { status, pools, sessions } = rate(before, after, 'name');
  return {
    all: status.requestsPerSecond,
    pool: pools[0]!.requestsPerSecond,
    backends: pools[0]!.backends.map(({ requestsPerSecond }) => requestsPerSecond),
    sessions: Object.fromEntries(sessions.map((one) => [one.key, one.requestsPerSecond])),
  };
};

test('a rate is what was added between two looks, for each second', () => {
  const seen = rates(lookOf(1000, { a: 10, b: 0 }, { k: 1 }), lookOf(3000, { a: 30, b: 1 }, { k: 5 }));
  assert.deepEqual(seen, { all: 10.5, pool: 10.5, backends: [10, 0.5], sessions: { k: 2 } });
});

test('without a look before there is no rate, nor where a counter has begun anew or is new', () => {
  assert.deepEqual(rates(null, lookOf(0, { a: 1 }, { k: 1 })), {
    all: null,
    pool: null,
    backends: [null],
    sessions: { k: null },
  });
  assert.deepEqual(rates(lookOf(0, { a: 50 }), lookOf(1000, { a: 2, b: 5 })).backends, [null, null]);
});

test('a session that was not there before began in between, when all of them were looked at', () => {
  const before = lookOf(0, { a: 0 });
  assert.deepEqual(rates(before, lookOf(1000, { a: 0 }, { k: 4 })).sessions, { k: 4 });
  assert.deepEqual(rates(before, lookOf(1000, { a: 0 }, { k: 4 }, true)).sessions, { k: null });
});
