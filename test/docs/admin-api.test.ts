import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { OpenApi } from '../../scripts/docs/openapi.ts';
import { Router } from '../../src/admin/router.ts';
import { adminRoutes } from '../../src/admin/routes/admin-routes.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { startLimpetProcess } from '../support/limpet.ts';
import { readPage } from './pages.ts';

const document = JSON.parse(readPage('docs/reference/openapi.json')) as OpenApi;

/** Bodies that the running limpet takes; a route that is not here needs none. */
const BODIES: Readonly<Record<string, unknown>> = {
  'PATCH /api/v1/pools/{pool}/backends/{backend}': { state: 'drain', weight: 2 },
  'POST /api/v1/sessions/{key}/move': { backend: 'b' },
  'POST /api/v1/explain': { url: '/cart' },
  'POST /api/v1/simulate': { drain: 'shop/a' },
};

test('every route of the admin API is described, and nothing else', () => {
  const router = new Router(adminRoutes({} as never));
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
  );
  const routes = adminRoutes({} as never).filter(({ path }) => path !== '/' && !path.startsWith('/dashboard/'));
  assert.deepEqual(described.sort(), routes.map(({ method, path }) => `${method} ${path}`).sort());
  for (const route of described) assert.equal(router.match(...(route.split(' ') as [string, string])).kind, 'route');
});

/** A validator for each answer that the document describes. */
function validators(): (schema: object) => (value: unknown) => string[] {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema(document, 'limpet');
  return (schema) => {
    const text = JSON.stringify(schema).replaceAll('"#/', '"limpet#/');
    const validate = ajv.compile(JSON.parse(text) as object);
    return (value) => {
      validate(value);
      return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
    };
  };
}

test('what a running limpet answers is as described, for every route, and so are its problems', async (t) => {
  const backends = await Promise.all(['a', 'b'].map((id) => new HttpBackend(id).start()));
  t.after(() => Promise.all(backends.map((backend) => backend.stop())));
  const [a, b] = backends.map(({ url }) => url);
  const limpet = await startLimpetProcess(`pools:
  shop:
    backends: [{ id: a, url: "${a}", replicas: [b] }, { id: b, url: "${b}", replicas: [a] }]
  broken:
    affinity: [{ by: ip }]
    backends: [{ id: x, url: "http://127.0.0.1:9" }]
routes: [{ match: { path: /broken }, pool: broken }, { pool: shop }]
`);
  t.after(() => limpet.stop());
  for (const path of ['/', '/', '/broken']) await (await fetch(limpet.url + path)).arrayBuffer();
  const checker = validators();
  const wrong: string[] = [];
  const seen = new Set<string>();
  const call = async (name: string, path: string, options: RequestInit): Promise<unknown> => {
    const [method, route] = name.split(' ') as [string, string];
    const response = await fetch(limpet.admin + path, { ...options, method });
    const answer = document.paths[route]![method.toLowerCase()]!.responses[response.status];
    const type = (response.headers.get('content-type') ?? '').split(';')[0]!;
    if (type === 'text/event-stream') await response.body!.cancel();
    const text = type === 'text/event-stream' ? '' : await response.text();
    seen.add(`${name} ${response.status}`);
    const described = Object.entries(answer?.content ?? {})[0];
    if (answer === undefined) wrong.push(`${name}: ${response.status} is not described: ${text}`);
    else if ((described?.[0] ?? '') !== type) wrong.push(`${name}: ${response.status} is of type ${type}`);
    if (!type.endsWith('json')) return null;
    const value = JSON.parse(text) as unknown;
    for (const error of described === undefined ? [] : checker(described[1].schema)(value))
      wrong.push(`${name}: ${response.status}: ${error}`);
    return value;
  };
  const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  // What ends a session comes last.
  routes.sort((one, other) => Number(one.startsWith('DELETE')) - Number(other.startsWith('DELETE')));
  const { sessions } = (await call('GET /api/v1/sessions', '/api/v1/sessions?pool=shop', {})) as {
    sessions: { key: string }[];
  };
  const values: Readonly<Record<string, string>> = { pool: 'shop', backend: 'a', key: sessions[0]!.key };
  for (const name of routes) {
    const path = name.split(' ')[1]!;
    const body = BODIES[name];
    const json =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    await call(
      name,
      path.replaceAll(/\{(\w+)\}/g, (_, key: string) => values[key]!),
      json,
    );
    await call(name, `${path.replaceAll(/\{(\w+)\}/g, 'nothing')}?nothing=1`, {});
    if (path.includes('{')) await call(name, path.replaceAll(/\{(\w+)\}/g, 'nothing'), json);
    if (body !== undefined) await call(name, path.replaceAll(/\{(\w+)\}/g, 'shop'), { ...json, body: '{"nothing":1}' });
  }
  assert.deepEqual(wrong, []);
  const good = [...seen].filter((line) => / 20[04]$/.test(line)).map((line) => line.slice(0, -4));
  assert.deepEqual(
    routes.filter((name) => !good.includes(name)),
    [],
  );
});
