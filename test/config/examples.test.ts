import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isMap, type Node, parseDocument } from 'yaml';
import { poolSchema } from '../../src/config/pool-schema.ts';
import { callLimpet } from '../cli/call-limpet.ts';

const DIRECTORY = new URL('../../config/examples/', import.meta.url);
const NAMES = readdirSync(DIRECTORY);

test('limpet check passes every example', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-examples-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  // Where the file of an example has to be there, its name comes from the environment.
  const secretFile = join(directory, 'secret');
  writeFileSync(secretFile, randomBytes(32).toString('base64'), { mode: 0o600 });
  process.env.LIMPET_SECRET_FILE = secretFile;
  process.env.LIMPET_SNAPSHOT = join(directory, 'sessions');
  for (const name of NAMES) {
    const { status, stdout, stderr } = await callLimpet(t, ['check', '-c', new URL(name, DIRECTORY).pathname]);
    assert.deepEqual([status, stderr], [0, ''], name);
    assert.match(stdout, /^valid: /);
  }
});

/**
 * Paths of the keys below a node, with the number of the line that each stands in; items of lists and names of pools
 * are `*`.
 */
function* keysOf(
  node: unknown,
  lineOf: (offset: number) => number,
  path = '',
): Generator<[path: string, line: number]> {
  if (isMap(node)) {
    for (const { key, value } of node.items) {
      const { value: name, range } = key as Node & { value: string };
      const at = path === '.pools' ? '.pools.*' : `${path}.${name}`;
      yield [at, lineOf(range![0])];
      yield* keysOf(value, lineOf, at);
    }
  } else if (typeof node === 'object' && node !== null && 'items' in node) {
    for (const item of node.items as unknown[]) yield* keysOf(item, lineOf, `${path}.*`);
  }
}

test('every key of the life of a session is in an example, with a comment at its line or above it', () => {
  const explained = new Set<string>();
  for (const name of NAMES) {
    const text = readFileSync(new URL(name, DIRECTORY), 'utf8');
    const lines = text.split('\n');
    const lineOf = (offset: number): number => text.slice(0, offset).split('\n').length - 1;
    /** A comment explains the keys below it up to the next empty line, so that a list or a block has one for all. */
    const isExplained = (line: number): boolean => {
      for (let at = line; at >= 0 && lines[at] !== ''; at--) if (lines[at]!.includes('# ')) return true;
      return false;
    };
    for (const [path, line] of keysOf(parseDocument(text).contents, lineOf)) if (isExplained(line)) explained.add(path);
  }
  const { session, failover } = poolSchema.shape;
  const { perUser, dialogQueue, ...others } = session.unwrap().shape;
  const below = (at: string, shape: object): string[] => Object.keys(shape).map((key) => `.pools.*.${at}.${key}`);
  const wanted = [
    ...below('session', { ...others, perUser, dialogQueue }),
    ...below('session.perUser', perUser.unwrap().shape),
    ...below('session.dialogQueue', dialogQueue.unwrap().shape),
    ...below('session.rotateOn.*', { path: 0, methods: 0, status: 0 }),
    ...below('session.endOn.*', { path: 0, methods: 0, status: 0 }),
    ...below('failover', failover.unwrap().shape),
    ...below('rateLimit', { per: 0, rate: 0, burst: 0 }),
    '.routes.*.csrf',
    '.routes.*.allowOrigins',
    '.log.audit',
  ];
  assert.deepEqual(
    wanted.filter((path) => !explained.has(path)),
    [],
  );
});
