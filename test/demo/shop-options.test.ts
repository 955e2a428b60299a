import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseShopOptions } from '../../src/demo/shop-options.ts';

const env = { SHOP_SECRET: '0123456789abcdef' };

test('the command line of a shop server names its id, port, replica and peers', () => {
  const args = [
    '--id',
    'a',
    '--port',
    '9001',
    '--replica',
    'b=http://127.0.0.1:9002',
    '--peer',
    'c=http://127.0.0.1:9003',
  ];
  assert.deepEqual(parseShopOptions(args, env), {
    id: 'a',
    host: '127.0.0.1',
    port: 9001,
    replica: { id: 'b', url: 'http://127.0.0.1:9002' },
    peers: [
      { id: 'b', url: 'http://127.0.0.1:9002' },
      { id: 'c', url: 'http://127.0.0.1:9003' },
    ],
    secret: env.SHOP_SECRET,
  });
});

const wrong: [string, string[], Record<string, string>, RegExp][] = [
  ['no id', ['--port', '1'], env, /--id must be/],
  ['an id that is none', ['--id', 'A b', '--port', '1'], env, /--id must be/],
  ['no port', ['--id', 'a'], env, /--port must be/],
  ['a port that is none', ['--id', 'a', '--port', '70000'], env, /--port must be/],
  ['a replica without an id', ['--id', 'a', '--port', '1', '--replica', 'http://x'], env, /--replica .*must be ID=/],
  ['a peer with another scheme', ['--id', 'a', '--port', '1', '--peer', 'b=https://x'], env, /--peer .*must be ID=/],
  ['itself as its replica', ['--id', 'a', '--port', '1', '--replica', 'a=http://x'], env, /id of its own/],
  ['an unknown option', ['--id', 'a', '--port', '1', '--rep', 'x'], env, /--rep.*usage/i],
  ['no secret', ['--id', 'a', '--port', '1'], {}, /SHOP_SECRET must be set/],
];
for (const [name, args, environment, message] of wrong) {
  test(`a shop server refuses ${name} and says what it wants`, () => {
    assert.throws(() => parseShopOptions(args, environment), { message });
  });
}
