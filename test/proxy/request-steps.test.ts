import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { REQUEST_STEPS } from '../../src/proxy/request-steps.ts';
import { ask } from '../support/ask.ts';
import { startLimpetProcess } from '../support/limpet.ts';
import { SessionBackend } from '../support/session-backend.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

const using = (word: string): string[] =>
  globSync('src/**/*.ts', { cwd: root })
    .filter((file) => readFileSync(`${root}/${file}`, 'utf8').includes(word))
    .sort();

test('118: what needs no session comes before it', () => {
  const order = ['address-limit', 'csrf', 'session', 'session-limit', 'simplex', 'user', 'turn'];
  assert.deepEqual(
    REQUEST_STEPS.map(({ name }) => name),
    order,
  );
});

test('a step is one file and one line of the registry: that file says what it does and how it is explained', () => {
  const declared = new Map<string, string>();
  for (const file of using(': StepKind = '))
    for (const [, name] of readFileSync(`${root}/${file}`, 'utf8').matchAll(/^export const (\w+): StepKind = /gm))
      declared.set(name!, file);
  assert.equal(declared.size, REQUEST_STEPS.length, 'each that is declared is in the registry');
  const registry = readFileSync(`${root}/src/proxy/request-steps.ts`, 'utf8');
  for (const [name, file] of declared) {
    assert.equal(dirname(file), 'src/proxy/steps', `${name} is a step`);
    const naming = globSync('src/**/*.ts', { cwd: root }).filter((other) =>
      new RegExp(`^import .*\\b${name}\\b.*/${basename(file)}'`, 'm').test(readFileSync(`${root}/${other}`, 'utf8')),
    );
    assert.deepEqual(naming, ['src/proxy/request-steps.ts'], `${name} is named in the registry alone`);
    assert.match(registry, new RegExp(`REQUEST_STEPS.*\\b${name}\\b`), `${name} has its place in the order`);
  }
  // Explain goes through the search for the session itself; what else there is says what it would do.
  const silent = REQUEST_STEPS.filter(({ look }) => look === null).map(({ name }) => name);
  assert.deepEqual(silent, ['session']);
});

test('118: the order stands in one place: requests pass the handler, and so does a request that is explained', () => {
  const makes = ['src/proxy/build-handler.ts', 'src/proxy/explain/explain.ts'];
  assert.deepEqual(using('REQUEST_STEPS.map('), makes);
  assert.deepEqual(using('new Handler'), makes);
  const looks = ['src/proxy/session/session-search.ts', 'src/proxy/steps/session-step.ts'];
  assert.deepEqual(using('findSession('), looks);
  assert.deepEqual(using('chooseBackend('), ['src/proxy/attempts.ts', 'src/proxy/choose.ts', 'src/proxy/handler.ts']);
  // Whatever changes a row for a request does so behind the last step.
  assert.deepEqual(using('touchSession('), ['src/proxy/handler.ts', 'src/proxy/session/session-search.ts']);
});

test('118: of several reasons to refuse a request the first one counts, and explain says the same', async (t) => {
  const backend = new SessionBackend('a');
  await backend.start();
  t.after(() => backend.stop());
  const session = '{ bindTo: [user-agent], onBindingMismatch: reject, dialog: simplex }';
  const limpet = await startLimpetProcess(
    [
      'workers: 1',
      'routes:',
      '  - { match: { path: /full }, pool: full, csrf: reject-cross-site }',
      '  - { pool: all, csrf: reject-cross-site }',
      'pools:',
      `  all: { backends: [{ id: a, url: "${backend.url}" }], affinity: [{ by: cookie }], session: ${session}, rateLimit: { per: session, rate: 1/h, burst: 1 } }`,
      `  full: { backends: [{ id: a, url: "${backend.url}" }], affinity: [{ by: cookie, name: full }], session: ${session}, rateLimit: { per: ip, rate: 1/h, burst: 1 } }`,
    ].join('\n'),
  );
  t.after(() => limpet.stop());
  const mine = { 'user-agent': 'mine' };
  const { cookie } = await ask(`${limpet.url}/`, { headers: mine });
  const { cookie: full } = await ask(`${limpet.url}/full`, { headers: mine });
  const cross = { 'sec-fetch-site': 'cross-site' };
  const theirs = { 'user-agent': 'theirs' };
  const cases: [path: string, method: string, headers: Record<string, string>, code: string][] = [
    ['/full', 'POST', { ...theirs, ...cross, cookie: full }, 'RATE_LIMITED'],
    ['/', 'POST', { ...theirs, ...cross, cookie }, 'CROSS_SITE'],
    ['/', 'POST', { ...theirs, cookie }, 'BINDING_MISMATCH'],
    ['/', 'POST', { ...mine, cookie }, 'RATE_LIMITED'],
    ['/', 'POST', { ...mine }, 'METHOD_NOT_ALLOWED'],
  ];
  for (const [path, method, headers, code] of cases) {
    const explained = await fetch(`${limpet.admin}/api/v1/explain`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ method, url: limpet.url + path, headers, ip: '127.0.0.1' }),
    });
    const { error } = (await explained.json()) as { error: string };
    const answer = await ask(limpet.url + path, { method, headers });
    assert.deepEqual([answer.code, error], [code, code], `${method} ${path} ${JSON.stringify(Object.keys(headers))}`);
  }
});
