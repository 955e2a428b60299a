import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { callLimpet } from './call-limpet.ts';

const directory = mkdtempSync(join(tmpdir(), 'limpet-cookie-'));
after(() => rmSync(directory, { recursive: true, force: true }));

let files = 0;
/** A configuration file with these sections over two pools; returns its path. */
function config(sessions: string): string {
  const file = join(directory, `${files++}.yaml`);
  writeFileSync(
    file,
    `listeners: [{ bind: "127.0.0.1:0" }]
sessions: ${sessions}
routes: [{ match: { path: /api }, pool: api }, { match: { path: /bare }, pool: bare }, { pool: shop }]
pools:
  shop: { backends: [{ id: a, url: "http://127.0.0.1:9001" }, { id: b, url: "http://127.0.0.1:9002" }] }
  api:
    backends: [{ id: a, url: "http://127.0.0.1:9003" }]
    affinity: [{ by: cookie, name: apicookie }]
    session: { lifetime: 1h }
  bare: { backends: [{ id: a, url: "http://127.0.0.1:9004" }], affinity: [{ by: ip }] }
`,
  );
  return file;
}

function secretFile(...secrets: string[]): string {
  const file = join(directory, `${files++}.secret`);
  writeFileSync(file, `${secrets.join('\n')}\n`, { mode: 0o600 });
  return file;
}

const [one, two] = [randomBytes(32).toString('base64'), randomBytes(32).toString('hex')];
const first = config(`{ secretFile: ${secretFile(one)} }`);

test('a cookie that is minted is decoded, with any of the secrets', async (t) => {
  const before = Date.now();
  const minted = await callLimpet(t, ['cookie', 'mint', 'shop/b', '-c', first]);
  assert.deepEqual([minted.status, minted.stderr], [0, '']);
  assert.match(minted.stdout, /^[\w-]{76}\n$/);
  const value = minted.stdout.trim();

  const both = config(`{ secretFile: ${secretFile(two, one)} }`);
  const decoded = await callLimpet(t, ['cookie', 'decode', `limpet=${value}`, '--json', '-c', both]);
  assert.deepEqual([decoded.status, decoded.stderr], [0, '']);
  assert.ok(!decoded.stdout.includes(value.slice(0, 24)), 'the id of the session is not shown');
  const said = JSON.parse(decoded.stdout) as Record<string, unknown>;
  const { began, issued, endsAt, key, otherKeys, ...rest } = said;
  assert.deepEqual(rest, { verifies: true, secret: 2, pool: 'shop', backend: 'b', bound: false });
  assert.equal(began, issued);
  const at = Date.parse(String(began));
  assert.ok(at >= before && at <= Date.now());
  assert.equal(Date.parse(String(endsAt)), at + 12 * 3_600_000);
  assert.match(String(key), /^[\w-]{22}$/);

  // A limpet that runs hashes its keys with the secret that was the first when it started.
  const alone = await callLimpet(t, ['cookie', 'decode', '--json', '-c', first, value]);
  assert.deepEqual((JSON.parse(alone.stdout) as typeof said).key, (otherKeys as string[])[0]);
  assert.equal((JSON.parse(alone.stdout) as typeof said).secret, 1);

  const people = await callLimpet(t, ['cookie', 'decode', `limpet=${value}`, '-c', both]);
  assert.equal(people.status, 0);
  assert.match(people.stdout, /^verifies +yes, with secret 2$/m);
  assert.match(people.stdout, /^pool +shop$/m);
  assert.match(people.stdout, /^backend +b$/m);
  assert.match(people.stdout, /^ends +\S+Z \(in 11h 59m\)$/m);
});

test('a value that begins with a dash is no option', async (t) => {
  for (const args of [
    ['decode', `-${'h'.repeat(75)}`],
    ['decode', `limpet=-${'h'.repeat(75)}`],
  ]) {
    const { status, stdout, stderr } = await callLimpet(t, ['cookie', ...args, '-c', first]);
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(stderr, /^limpet: it does not verify: /);
  }
});

test('mint --json says the name of the cookie and the id of its session too', async (t) => {
  const { status, stdout } = await callLimpet(t, ['cookie', 'mint', 'api/a', '--json', '-c', first]);
  assert.equal(status, 0);
  const minted = JSON.parse(stdout) as Record<string, string>;
  assert.deepEqual([minted.name, minted.pool, minted.backend], ['apicookie', 'api', 'a']);
  const decoded = await callLimpet(t, ['cookie', 'decode', `x=${minted.value}`, '--json', '-c', first]);
  assert.deepEqual((JSON.parse(decoded.stdout) as typeof minted).key, minted.key);
});

test('11: what was altered or made with another secret does not verify, and nothing of it is shown', async (t) => {
  const { stdout } = await callLimpet(t, ['cookie', 'mint', 'shop/a', '-c', first]);
  const value = stdout.trim();
  const altered = value.slice(0, 50) + (value[50] === 'A' ? 'B' : 'A') + value.slice(51);
  const other = config(`{ secretFile: ${secretFile(two)} }`);
  for (const [cookie, file] of [
    [altered, first],
    [value, other],
  ] as const) {
    const decoded = await callLimpet(t, ['cookie', 'decode', `limpet=${cookie}`, '-c', file]);
    assert.deepEqual([decoded.status, decoded.stdout], [1, '']);
    assert.match(decoded.stderr, /^limpet: it does not verify: .*; it says that it was issued at 20\S+Z\n$/);
    const json = await callLimpet(t, ['cookie', 'decode', `limpet=${cookie}`, '--json', '-c', file]);
    assert.equal(json.status, 1);
    assert.equal((JSON.parse(json.stdout) as { verifies: boolean }).verifies, false);
  }
  // With a name in front: what begins with a dash and is no cookie is an option.
  for (const nonsense of ['x', `limpet=${value}A`, `limpet=${value.slice(1)}!`, 'limpet=']) {
    const decoded = await callLimpet(t, ['cookie', 'decode', nonsense, '-c', first]);
    assert.deepEqual([decoded.status, decoded.stdout], [1, '']);
    assert.match(decoded.stderr, /^limpet: this is no cookie of limpet's: /);
    assert.ok(!decoded.stderr.includes(value.slice(1, 20)));
  }
});

test('what is missing is said with what to do', async (t) => {
  const mint = async (file: string, backend = 'shop/a') => {
    const { status, stdout, stderr } = await callLimpet(t, ['cookie', 'mint', backend, '-c', file]);
    assert.equal(stdout, '');
    return `${status} ${stderr}`;
  };
  assert.match(await mint(first, 'shop/c'), /^1 limpet: pool shop has no backend c; it has: a, b\n$/);
  assert.match(await mint(first, 'none/a'), /^1 limpet: there is no pool none .* these have: shop, api\n$/);
  assert.match(await mint(first, 'bare/a'), /^1 limpet: there is no pool bare that has a cookie/);
  assert.match(await mint(first, 'shop'), /^2 limpet: a backend is named POOL\/ID/);
  assert.match(await mint(config('{}')), /^1 limpet: .*: set sessions\.secretFile, or sessions\.snapshot/);
  assert.match(await mint(config('{ store: redis }')), /^1 limpet: the secret of these nodes is in Redis/);
  const snapshot = join(directory, 'rows');
  assert.match(await mint(config(`{ snapshot: ${snapshot} }`)), /rows\.secret: it is made when limpet starts\n$/);
  writeFileSync(`${snapshot}.secret`, `${one}\n`, { mode: 0o600 });
  const { stdout } = await callLimpet(t, ['cookie', 'mint', 'shop/a', '-c', config(`{ snapshot: ${snapshot} }`)]);
  const decoded = await callLimpet(t, ['cookie', 'decode', `limpet=${stdout.trim()}`, '-c', first]);
  assert.equal(decoded.status, 0, 'the secret beside the snapshot is as good as one of a file');
  const nothing = await callLimpet(t, ['cookie', '-c', first]);
  assert.equal(nothing.status, 2);
});
