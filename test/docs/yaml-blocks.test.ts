import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Document, isMap, isScalar, isSeq, parseDocument, visit, type YAMLMap } from 'yaml';
import { poolSchema } from '../../src/config/pool-schema.ts';
import { configSchema } from '../../src/config/schema.ts';
import { callLimpet } from '../cli/call-limpet.ts';
import { Certificates } from '../support/certificates.ts';
import { pages } from './pages.ts';
import { yamlBlocks } from './yaml-blocks.ts';

const TOP = Object.keys(configSchema.shape);
const POOL = Object.keys(poolSchema.shape);

/** Adds the listeners, pools and servers that a part of a configuration leaves out. */
function addWhatIsLeftOut(document: Document): void {
  const root = document.contents as YAMLMap;
  const names = root.items.map(({ key }) => String(key));
  if (names.every((name) => POOL.includes(name) && !TOP.includes(name))) {
    document.contents = document.createNode({ pools: { shop: null } });
    document.setIn(['pools', 'shop'], root);
  } else {
    assert.ok(
      names.every((name) => TOP.includes(name)),
      `it begins with ${names.join(', ')}, which are neither keys of the file nor keys of a pool: show where they belong, or say whose YAML it is`,
    );
  }
  if (!document.has('listeners')) document.set('listeners', document.createNode([{ bind: '127.0.0.1:8080' }]));
  const routes = document.get('routes');
  const named = isSeq(routes) ? routes.items.map((route) => String((route as YAMLMap).get('pool'))) : [];
  if (!document.has('pools')) document.set('pools', document.createNode({}));
  const pools = document.get('pools') as YAMLMap;
  for (const name of named.length === 0 && pools.items.length === 0 ? ['shop'] : named)
    if (!pools.has(name))
      pools.set(name, document.createNode({ affinity: [{ by: 'cookie', name: `limpet-${name}` }] }));
  if (routes === undefined && pools.items.length > 1)
    document.set(
      'routes',
      document.createNode(pools.items.map(({ key }) => ({ match: { host: `${key}.example` }, pool: String(key) }))),
    );
  pools.items.forEach(({ value }, index) => {
    const pool = value as YAMLMap;
    if (!isMap(pool) || pool.has('backends') || pool.has('discovery')) return;
    const scheme = pool.has('tls') ? 'https' : 'http';
    const server = (id: string, replica: string) => {
      return { id, url: `${scheme}://10.0.${index}.${id.charCodeAt(0) - 96}:3000`, replicas: [replica] };
    };
    pool.set('backends', document.createNode([server('a', 'b'), server('b', 'a')]));
  });
}

/** Puts files that are there, and hold what they should, in place of those that a page names. */
function useFiles(document: Document, files: Readonly<Record<string, string>>): void {
  visit(document, {
    Pair(_, { key, value }) {
      const file = files[String(key)];
      if (file !== undefined && isScalar(value) && typeof value.value === 'string') value.value = file;
    },
  });
}

test('limpet check passes every configuration of the pages', async (t) => {
  const certificates = new Certificates();
  t.after(() => certificates.remove());
  const { cert, key } = certificates.make('shop', { names: ['shop.example'] });
  const directory = mkdtempSync(join(tmpdir(), 'limpet-blocks-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const write = (name: string, text: string): string => {
    const file = join(directory, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  mkdirSync(join(directory, 'state'));
  const files = {
    cert,
    key,
    ca: cert,
    clientCa: cert,
    secretFile: write('secret', randomBytes(32).toString('base64')),
    tokenFile: write('token', randomBytes(32).toString('base64url')),
    publicKeyFile: write(
      'public.pem',
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' }) as string,
    ),
    snapshot: join(directory, 'state', 'sessions'),
    audit: join(directory, 'state', 'audit.jsonl'),
  };
  const wrong: string[] = [];
  let count = 0;
  for (const { place, text } of pages().flatMap(yamlBlocks)) {
    count++;
    const document = parseDocument(text);
    try {
      assert.deepEqual(document.errors.map(String), []);
      addWhatIsLeftOut(document);
    } catch (error) {
      wrong.push(`${place}: ${(error as Error).message}`);
      continue;
    }
    useFiles(document, files);
    const { status, stderr } = await callLimpet(t, ['check', '-c', write('limpet.yaml', document.toString())]);
    if (status !== 0 || stderr !== '') wrong.push(`${place}:\n${stderr}${document}`);
  }
  assert.deepEqual(wrong, []);
  assert.ok(count > 5, `${count} blocks`);
});
