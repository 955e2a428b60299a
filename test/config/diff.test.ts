import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConfigChange, diffConfig } from '../../src/config/diff.ts';
import { changedFixedKeys } from '../../src/config/fixed-keys.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';

const BEFORE = `listeners:
  - bind: 127.0.0.1:0
  - bind: 127.0.0.1:0
  - bind: 127.0.0.1:8081
routes:
  - pool: shop
pools:
  shop:
    backends:
      - { id: a, url: "http://127.0.0.1:9001" }
      - { id: b, url: "http://127.0.0.1:9002" }
  api: { backends: [{ id: a, url: "http://127.0.0.1:9003" }] }
`;

function config(text: string): Config {
  const loaded = parseConfig(text, 'limpet.yaml', {});
  assert.ok(!('errors' in loaded), JSON.stringify(loaded));
  return loaded.config;
}

const cases: readonly (readonly [what: string, change: (text: string) => string, expected: readonly ConfigChange[]])[] =
  [
    ['nothing', (text) => text, []],
    ['the order of pools', (text) => text.replace(/( {2}shop:[\s\S]*)( {2}api:.*\n)/, '$2$1'), []],
    ['a default that is written out', (text) => `${text}watch: false\n`, []],
    [
      'a backend for another',
      (text) => text.replace('id: b,', 'id: c,'),
      [
        { path: 'pools.shop.backends.b', change: 'removed' },
        { path: 'pools.shop.backends.c', change: 'added' },
      ],
    ],
    [
      "a backend's weight",
      (text) => text.replace('id: b,', 'id: b, weight: 3,'),
      [{ path: 'pools.shop.backends.b', change: 'changed' }],
    ],
    [
      'keys of a pool',
      (text) => text.replace('  shop:\n', '  shop:\n    balance: random\n    session: { idle: 5m }\n'),
      [
        { path: 'pools.shop.balance', change: 'changed' },
        { path: 'pools.shop.session', change: 'changed' },
      ],
    ],
    ['a pool', (text) => text.replace(/ {2}api:.*\n/, ''), [{ path: 'pools.api', change: 'removed' }]],
    [
      'one of two listeners on any port',
      (text) => text.replace('  - bind: 127.0.0.1:0\n', ''),
      [{ path: 'listeners.127.0.0.1:0 #2', change: 'removed' }],
    ],
    [
      "a listener's limits",
      (text) => text.replace('127.0.0.1:8081', '127.0.0.1:8081\n    limits: { headers: 50 }'),
      [{ path: 'listeners.127.0.0.1:8081', change: 'changed' }],
    ],
    [
      'routes and what is inside of sections',
      (text) => `${text.replace('  - pool: shop', '  - { pool: shop, sticky: false }')}log: { access: false }\n`,
      [
        { path: 'routes', change: 'changed' },
        { path: 'log.access', change: 'changed' },
      ],
    ],
  ];

for (const [what, change, expected] of cases) {
  test(`44: a reload tells what differs: ${what}`, () => {
    const byPath = (one: ConfigChange, other: ConfigChange): number => (one.path < other.path ? -1 : 1);
    const found = diffConfig(config(BEFORE), config(change(BEFORE)));
    assert.deepEqual(found.sort(byPath), [...expected].sort(byPath));
  });
}

test('keys that take effect at a start only are named', () => {
  const after = `${BEFORE}workers: 3\nsessions: { max: 5, snapshot: /tmp/sessions }\nadmin: { bind: "127.0.0.1:9901" }\nlog: { format: pretty, access: false }\n`;
  assert.deepEqual(
    changedFixedKeys(config(BEFORE), config(after)).map((path) => path.join('.')),
    ['workers', 'sessions.max', 'sessions.snapshot', 'admin.bind', 'log.format'],
  );
});
