import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Logger } from '../../src/logging/logger.ts';
import type { LabelledCount } from '../../src/metrics/labelled-counters.ts';
import { RefusedResponses } from '../../src/supervisor/refused-responses.ts';

function make(): { said: Record<string, unknown>[]; refused: RefusedResponses } {
  const said: Record<string, unknown>[] = [];
  const log = { warn: (fields: Record<string, unknown>) => void said.push(fields) } as unknown as Logger;
  return { said, refused: new RefusedResponses(log) };
}

function of(backend: string, reason: string, count = 1): LabelledCount[] {
  return [{ name: 'limpet_refused_responses_total', labels: ['p', backend, reason], count }];
}

test('F9: one line a minute for each backend and reason, which tells how many there were since the last', () => {
  const { said, refused } = make();
  refused.note([{ name: 'limpet_errors_total', labels: ['X'], count: 1 }, ...of('a', 'x')], 0);
  refused.note(of('a', 'x', 7), 59_999);
  refused.note(of('a', 'y'), 30_000);
  refused.note(of('b', 'x'), 30_000);
  refused.note(of('a', 'x', 2), 60_000);
  assert.deepEqual(
    said.map(({ backend, reason, responses }) => [backend, reason, responses]),
    [
      ['a', 'x', 1],
      ['a', 'y', 1],
      ['b', 'x', 1],
      ['a', 'x', 9],
    ],
  );
});

test('F9: what is remembered is bounded', () => {
  const { said, refused } = make();
  for (let n = 0; n < 3_000; n++) refused.note(of(`b${n}`, 'x'), 0);
  assert.equal(said.length, 1_000);
  refused.note(of('late', 'x'), 60_000);
  assert.equal(said.length, 1_001, 'the old ones have gone');
});
