import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call } from './call.ts';
import { BACKEND, SESSION } from './fake-control-plane.ts';
import { startAdmin } from './start-admin.ts';

const KEY = SESSION.key;

test('L8: readyz is 503 with all reasons that limpet has while it runs', async (t) => {
  const { address, control } = await startAdmin(t);
  control.reasons = ['a worker makes no progress', 'memory is short'];
  const { status, text } = await call(address, 'GET', '/readyz');
  assert.equal(status, 503);
  assert.match(text, /"limpet is not ready: a worker makes no progress; memory is short\."/);
});

test('healthz is 200 while alive; readyz is 503 while starting or stopping (46)', async (t) => {
  const { address, control } = await startAdmin(t);
  assert.deepEqual((await call(address, 'GET', '/readyz')).json(), { status: 'ready' });
  for (const phase of ['starting', 'stopping'] as const) {
    control.phase = phase;
    const ready = await call(address, 'GET', '/readyz');
    assert.equal(ready.status, 503);
    assert.match(String(ready.json().detail), new RegExp(phase));
    assert.equal((await call(address, 'GET', '/healthz')).status, 200);
  }
});

test('metrics come in the text format, status as JSON, the root as a page that links to both', async (t) => {
  const { address } = await startAdmin(t);
  const metrics = await call(address, 'GET', '/metrics');
  assert.equal(metrics.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal(metrics.text, '# HELP x y\n');
  const status = await call(address, 'GET', '/api/v1/status');
  assert.equal(status.headers['content-type'], 'application/json');
  assert.equal(status.json().version, '1.2.3');
  const page = await call(address, 'GET', '/');
  assert.match(page.headers['content-type']!, /^text\/html/);
  assert.match(String(page.headers['content-security-policy']), /default-src 'none'/);
  for (const link of ['/metrics', '/api/v1/status', '/api/v1/pools', '/api/v1/sessions']) {
    assert.ok(page.text.includes(`href="${link}"`));
  }
});

test('pools and backends: list, see, change', async (t) => {
  const { address, control } = await startAdmin(t);
  assert.deepEqual((await call(address, 'GET', '/api/v1/pools')).json().pools, control.pools());
  assert.equal((await call(address, 'GET', '/api/v1/pools/shop')).json().name, 'shop');
  const unknown = await call(address, 'GET', '/api/v1/pools/sh%20op');
  assert.equal(unknown.status, 404);
  assert.equal(unknown.json().detail, 'no pool sh op');
  const patched = await call(address, 'PATCH', '/api/v1/pools/shop/backends/a%3A1', {
    body: { state: 'drain', weight: 2 },
  });
  assert.deepEqual([patched.status, patched.json()], [200, { ...BACKEND }]);
  assert.deepEqual(control.calls.at(-1), ['patchBackend', 'shop', 'a:1', { state: 'drain', weight: 2 }]);
});

test('a patch that is not exactly as it should be is refused with every mistake, and changes nothing', async (t) => {
  const { address, control } = await startAdmin(t);
  const patch = (body: unknown) => call(address, 'PATCH', '/api/v1/pools/shop/backends/a', { body });
  const wrong = await patch({ state: 'draining', weight: -1, colour: 'red' });
  assert.equal(wrong.status, 422);
  const errors = wrong.json().errors as { path: string; message: string }[];
  assert.deepEqual(errors.map(({ path }) => path).sort(), ['colour', 'state', 'weight']);
  assert.match(errors.find(({ path }) => path === 'colour')!.message, /unknown key.*state, weight/);
  assert.match(errors.find(({ path }) => path === 'state')!.message, /one of ready, drain, maintenance/);
  for (const body of [{}, { weight: 1.5 }, { weight: '2' }, { weight: 65_536 }, { state: null }, [], 'null', '5']) {
    const headers = { 'Content-Type': 'application/json' };
    const reply = await call(address, 'PATCH', '/api/v1/pools/shop/backends/a', { body, headers });
    assert.equal(reply.status, 422, JSON.stringify(body));
    assert.ok(String(reply.json().detail).length > 5);
  }
  assert.deepEqual(control.calls, []);
});

test('sessions: list with filters, see, end, move', async (t) => {
  const { address, control } = await startAdmin(t);
  const list = await call(address, 'GET', '/api/v1/sessions?pool=shop&backend=a&limit=7&cursor=x%2By');
  assert.deepEqual(list.json(), { sessions: [{ ...SESSION }], cursor: 'next' });
  assert.deepEqual(control.calls.at(-1), ['sessions', { pool: 'shop', backend: 'a', limit: 7, cursor: 'x+y' }]);
  await call(address, 'GET', '/api/v1/sessions');
  assert.deepEqual(control.calls.at(-1), ['sessions', { limit: 100 }]);
  assert.deepEqual((await call(address, 'GET', `/api/v1/sessions/${KEY}`)).json(), { ...SESSION });
  const ended = await call(address, 'DELETE', `/api/v1/sessions/${KEY}`);
  assert.deepEqual([ended.status, ended.text], [204, '']);
  assert.deepEqual(control.calls.at(-1), ['endSession', KEY]);
  const moved = await call(address, 'POST', `/api/v1/sessions/${KEY}/move`, { body: { backend: 'b' } });
  assert.deepEqual([moved.status, moved.json().detail], [409, 'the backend is down']);
  assert.deepEqual(control.calls.at(-1), ['moveSession', KEY, 'b']);
  const wrong = await call(address, 'POST', `/api/v1/sessions/${KEY}/move`, { body: { backend: 5 } });
  assert.equal(wrong.status, 422);
});

test('query parameters that are unknown, doubled, out of range or not supported yet are refused', async (t) => {
  const { address, control } = await startAdmin(t);
  for (const [query, pattern] of [
    ['limit=0', /1 to 1000/],
    ['limit=1001', /1 to 1000/],
    ['limit=1e2', /1 to 1000/],
    ['limit=', /1 to 1000/],
    ['pools=shop', /Unknown query parameter "pools".*pool, backend/],
    ['pool=a&pool=b', /twice/],
  ] as const) {
    const reply = await call(address, 'GET', `/api/v1/sessions?${query}`);
    assert.equal(reply.status, 400, query);
    assert.match(String(reply.json().detail), pattern);
  }
  assert.equal((await call(address, 'GET', '/api/v1/pools?x=1')).status, 400);
  assert.deepEqual(control.calls, []);
});

test('errors are problem details with type, title, status, detail and instance (RFC 9457)', async (t) => {
  const { address } = await startAdmin(t);
  const reply = await call(address, 'GET', '/api/v2/pools?token=secret');
  assert.equal(reply.status, 404);
  assert.equal(reply.headers['content-type'], 'application/problem+json');
  assert.deepEqual(reply.json(), {
    type: 'about:blank',
    title: 'Not Found',
    status: 404,
    detail: 'There is nothing at this path: GET / lists what there is.',
    instance: '/api/v2/pools',
  });
  for (const path of ['/api/v1/pools/', '//', '/api/v1/sessions/', '/HEALTHZ', '/api/v1/pools/shop/../shop']) {
    assert.equal((await call(address, 'GET', path)).status, 404, path);
  }
  assert.equal((await call(address, 'GET', '/api/v1/pools/%zz')).status, 400);
});

test('a method that a path does not have is 405 with Allow; OPTIONS tells the same', async (t) => {
  const { address } = await startAdmin(t);
  for (const [path, allow] of [
    ['/healthz', 'GET, HEAD, OPTIONS'],
    [`/api/v1/sessions/${KEY}`, 'GET, HEAD, DELETE, OPTIONS'],
    ['/api/v1/pools/shop/backends/a', 'PATCH, OPTIONS'],
    [`/api/v1/sessions/${KEY}/move`, 'POST, OPTIONS'],
  ] as const) {
    const reply = await call(address, 'PUT', path);
    assert.deepEqual([reply.status, reply.headers.allow], [405, allow]);
    assert.equal(reply.json().status, 405);
    const options = await call(address, 'OPTIONS', path);
    assert.deepEqual([options.status, options.headers.allow], [204, allow]);
  }
});

test('HEAD has the header fields of GET and no body', async (t) => {
  const { address } = await startAdmin(t);
  for (const path of ['/metrics', '/healthz', '/', '/api/v1/pools/none']) {
    const [get, head] = [await call(address, 'GET', path), await call(address, 'HEAD', path)];
    assert.equal(head.status, get.status);
    assert.equal(head.text, '');
    assert.equal(head.headers['content-length'], String(Buffer.byteLength(get.text)));
    assert.equal(head.headers['content-type'], get.headers['content-type']);
  }
});

test('bodies that are not JSON, too large or compressed are refused', async (t) => {
  const { address, control } = await startAdmin(t);
  const patch = (body: string, headers: Record<string, string>) =>
    call(address, 'PATCH', '/api/v1/pools/shop/backends/a', { body, headers });
  const json = { 'Content-Type': 'application/json; charset=utf-8' };
  assert.equal((await patch('{"weight":1}', json)).status, 200);
  for (const [body, headers, status] of [
    ['{"weight":1}', {}, 415],
    ['{"weight":1}', { 'Content-Type': 'text/plain' }, 415],
    ['weight=1', { 'Content-Type': 'application/x-www-form-urlencoded' }, 415],
    ['{"weight":1}', { ...json, 'Content-Encoding': 'gzip' }, 415],
    ['{"weight":1', json, 400],
    ['', json, 400],
    ['\u00ff', { ...json, 'Content-Length': '1' }, 400],
    [JSON.stringify({ weight: 1, x: 'x'.repeat(70_000) }), json, 413],
    [JSON.stringify({ weight: 1, x: 'x'.repeat(70_000) }), { ...json, 'Transfer-Encoding': 'chunked' }, 413],
  ] as const) {
    const reply = await patch(body, headers).catch((error: Error) => error);
    assert.ok(!(reply instanceof Error), `${status}: ${reply}`);
    assert.equal(reply.status, status);
    assert.equal(reply.json().status, status);
  }
  assert.equal(control.calls.length, 1);
});

test('a defect is a 500 that tells nothing, and a log line that tells all; the server goes on (69)', async (t) => {
  const { address, control, lines } = await startAdmin(t);
  control.defect = new Error('secret inside');
  const reply = await call(address, 'GET', '/api/v1/status');
  assert.equal(reply.status, 500);
  assert.equal(reply.text.includes('secret'), false);
  const [level, message, fields] = lines[0]!;
  assert.deepEqual([level, message], ['error', 'admin request failed']);
  assert.equal((fields as { err: Error }).err, control.defect);
  assert.equal((await call(address, 'GET', '/healthz')).status, 200);
});

test('no answer may be stored, sniffed or read by a page of another origin', async (t) => {
  const { address } = await startAdmin(t);
  const { headers } = await call(address, 'GET', '/api/v1/pools');
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
  assert.equal('access-control-allow-origin' in headers, false);
});
