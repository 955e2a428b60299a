import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatConfigError, formatPath } from '../../src/config/config-error.ts';
import { readDocument } from '../../src/config/document.ts';
import { parseConfig } from '../../src/config/load.ts';

const full = readFileSync(new URL('golden/full.yaml', import.meta.url), 'utf8');

test('damaged files of every kind end in errors with a place, never in an exception', () => {
  const damage = fc.record({
    from: fc.nat(full.length),
    length: fc.nat(30),
    text: fc.oneof(
      fc.string(),
      fc.constantFrom('{', ']', '\t', '\n', ': ', '- ', '*x', '&x ', '<<: ', '"', '${', '!!', '\r', '\u0000'),
    ),
  });
  fc.assert(
    fc.property(damage, ({ from, length, text }) => {
      const result = parseConfig(full.slice(0, from) + text + full.slice(from + length), 'x.yaml', {});
      if (!('errors' in result)) return;
      assert.ok(result.errors.length > 0);
      for (const error of result.errors) {
        assert.ok(error.line >= 1 && error.column >= 1);
        assert.doesNotMatch(formatConfigError(error), /\n|undefined|\[object/);
      }
    }),
    { numRuns: 150 },
  );
});

test('nesting without end is refused', () => {
  const deep = readDocument('['.repeat(20_000), 'x.yaml', {});
  assert.ok(deep.errors.length > 0);
  const nested = readDocument(`${'['.repeat(100)}${']'.repeat(100)}`, 'x.yaml', {});
  assert.match(nested.errors[0]?.message ?? '', /nested too deeply/);
});

test('aliases that multiply are refused before they fill the memory', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let level = 1; level < 10; level++)
    lines.push(
      `a${level}: &a${level} [${Array(10)
        .fill(`*a${level - 1}`)
        .join(', ')}]`,
    );
  const { errors } = readDocument(lines.join('\n'), 'x.yaml', {});
  assert.equal(errors.length, 1);
  assert.match(errors[0]?.message ?? '', /use fewer aliases/);
});

test('lines end in LF or CRLF, and a byte order mark is no part of the first key', () => {
  const text =
    '\uFEFFlisteners:\r\n  - bind: 127.0.0.1:80\r\npools: { shop: { backends: [{ id: a, url: "http://a:1" }] } }\r\nx: 1\r\n';
  const result = parseConfig(text, 'x.yaml', {});
  assert.ok('errors' in result);
  assert.deepEqual(result.errors.map(formatConfigError), [
    'x.yaml:4:1: x: unknown key. Allowed: listeners, trustedProxies, routes, pools, sessions, admin, log, tracing, limits, workers, sockets, watchdog, shutdown, watch',
  ]);
});

test('a path is written as one would write it in code', () => {
  assert.equal(formatPath(['pools', 'shop', 'backends', 0, 'url']), 'pools.shop.backends[0].url');
  assert.equal(formatPath(['pools', 'a.b', 'x']), 'pools["a.b"].x');
  assert.equal(formatPath([]), '');
});

test('L17: whatever aliases and merge keys would multiply into, the answer comes soon and says what to do', () => {
  const lists = (levels: number, width: number): string[] =>
    Array.from({ length: levels }, (_, i) =>
      i === 0
        ? 'a0: &a0 [x, x]'
        : `a${i}: &a${i} [${Array(width)
            .fill(`*a${i - 1}`)
            .join(', ')}]`,
    );
  const merges = (levels: number, width: number): string[] =>
    Array.from({ length: levels }, (_, i) =>
      i === 0
        ? 'a0: &a0 { k: 1 }'
        : `a${i}: &a${i} { <<: [${Array(width)
            .fill(`*a${i - 1}`)
            .join(', ')}], k${i}: 1 }`,
    );
  const wide = [`a: &a { ${Array.from({ length: 2_000 }, (_, i) => `k${i}: 1`).join(', ')} }`, 'b:'];
  for (let i = 0; i < 2_000; i++) wide.push(`  p${i}: { <<: *a }`);
  const texts = [lists(10, 10), lists(60, 3), lists(3, 3_000), merges(15, 10), merges(60, 3), wide];
  for (const [at, lines] of texts.entries()) {
    const before = process.threadCpuUsage();
    const { errors } = readDocument(lines.join('\n'), 'x.yaml', {});
    const { user, system } = process.threadCpuUsage(before);
    assert.ok(user + system < 3_000_000, `text ${at}: ${(user + system) / 1000} ms`);
    if (at < 3 || at === 5)
      assert.match(errors[0]?.message ?? '', /^aliases make more than \d+ values .* use fewer aliases$/);
  }
  assert.match(readDocument('['.repeat(100_000), 'x.yaml', {}).errors[0]?.message ?? '', /^is nested too deeply/);
});
