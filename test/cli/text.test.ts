import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ago } from '../../src/cli/ago.ts';
import { harmless } from '../../src/cli/output.ts';
import { formatTable } from '../../src/cli/table.ts';

test('a time is told by its two largest units', () => {
  const now = Date.parse('2026-06-01T12:00:00Z');
  const times = {
    '2026-06-01T11:59:30Z': '30s ago',
    '2026-06-01T10:58:59Z': '1h 1m ago',
    '2026-05-30T12:00:00Z': '2d ago',
    '2026-06-01T12:05:00Z': 'in 5m',
    '2026-06-01T12:00:00.500Z': 'now',
  };
  for (const [time, words] of Object.entries(times)) assert.equal(ago(time, now), words);
  assert.equal(ago(now - 1000, now), '1s ago');
  for (const none of [null, undefined, 'x', 0, '1970-01-01T00:00:00.000Z', {}]) assert.equal(ago(none, now), '-');
});

test('columns are as wide as what is seen in them, colours and wide code points included', () => {
  const columns = [
    { title: 'A', align: 'left' },
    { title: 'B', align: 'right' },
    { title: 'C', align: 'left' },
  ] as const;
  const lines = formatTable(columns, [['\x1b[32mup\x1b[39m', '1', 'x'], ['é😀x', '1000', ''], []], (title) => title);
  assert.deepEqual(lines.slice(0, 3), ['A       B  C', '\x1b[32mup\x1b[39m      1  x', 'é😀x  1000  ']);
});

test('what comes over the network cannot steer a terminal', () => {
  assert.equal(harmless('a\x1b[31mb\u202ec\nd\u0085'), 'a\\u{1b}[31mb\\u{202e}c\\u{a}d\\u{85}');
});
