import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Answered, type AskOptions, ask } from '../support/ask.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const ADMIN = 'only-for-administrators-0123456789';

describe('what backends see and set of limpet itself', () => {
  const backend = new HttpBackend('a');
  /** Lines of the next answer, and its status. */
  let lines: [name: string, value: string][] = [];
  let status = 200;
  let directory: string;
  let limpet: LimpetProcess;

  before(async () => {
    backend.answer = (request, response) => {
      for (const [name, value] of lines) response.appendHeader(name, value);
      response.statusCode = status;
      response.end(JSON.stringify(request.rawHeaders));
    };
    await backend.start();
    directory = await mkdtemp(join(tmpdir(), 'limpet-own-'));
    await writeFile(join(directory, 'token'), ADMIN);
    const at = `backends: [{ id: a, url: "${backend.url}" }]`;
    limpet = await startLimpetProcess(
      [
        `admin: { bind: "127.0.0.1:0", tokenFile: ${join(directory, 'token')} }`,
        'routes:',
        '  - { match: { path: /api/ }, pool: api }',
        '  - { pool: shop }',
        'pools:',
        `  api: { ${at}, affinity: [{ by: token }] }`,
        `  shop: { ${at}, affinity: [{ by: cookie }] }`,
      ].join('\n'),
    );
  });
  after(async () => {
    await limpet?.stop();
    await backend.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const send = (path: string, options: AskOptions = {}): Promise<Answered> => {
    const sent = ask(limpet.url + path, options);
    return sent.finally(() => {
      lines = [];
      status = 200;
    });
  };
  const seen = ({ body }: Answered): string => (JSON.parse(body) as string[]).join('\n');

  test('K1: the cookie of one pool neither reaches the backends of another nor can they set it', async () => {
    lines = [
      ['Set-Cookie', 'limpet=evil; Path=/'],
      ['Set-Cookie', '=limpet=evil'],
      ['Set-Cookie', 'own=1'],
    ];
    const answer = await send('/api/x', { headers: { cookie: 'a=1; limpet=mine; b=2' } });
    assert.deepEqual(answer.headers['set-cookie'], ['own=1']);
    assert.match(seen(answer), /\na=1; b=2(?:\n|$)/i);
    assert.doesNotMatch(seen(answer), /limpet=/);
  });

  test('K4: a response that sets the cookie is kept by no cache, whichever field it goes by', async () => {
    const fields: [string, string][] = [
      ['CDN-Cache-Control', 'max-age=3600'],
      ['Cloudflare-CDN-Cache-Control', 'public'],
      ['Surrogate-Control', 'max-age=60'],
      ['Edge-Control', 'max-age=60'],
      ['X-Accel-Expires', '60'],
    ];
    for (const field of fields) {
      lines = [field, ['Cache-Control', 'public, max-age=60']];
      const { headers } = await send('/');
      assert.match(String(headers['set-cookie']), /^limpet=/);
      assert.equal(headers[field[0].toLowerCase()], undefined, field[0]);
      assert.equal(headers['cache-control'], 'max-age=60, private');
    }
    // Not kept by default, but told to be.
    for (const field of [...fields, ['Expires', 'Thu, 01 Jan 2099 00:00:00 GMT'] as [string, string]]) {
      lines = [field];
      status = 302;
      assert.equal((await send('/')).headers['cache-control'], 'private', field[0]);
    }
    // Without a cookie of limpet's they are the application's matter.
    const { cookie } = await send('/');
    lines = fields.slice(0, 1);
    assert.equal((await send('/', { headers: { cookie } })).headers['cdn-cache-control'], 'max-age=3600');
  });

  test('K5: what is taken out as the cookie is read as one: quoted, and with white space before the =', async () => {
    const { cookie } = await send('/');
    const value = cookie.slice('limpet='.length);
    for (const written of [`limpet="${value}"`, `limpet =${value}`, `x=1; limpet="${value}" ; y=2`]) {
      const answer = await send('/', { headers: { cookie: written } });
      assert.equal(answer.cookie, '', written);
      assert.doesNotMatch(seen(answer), /limpet ?=/);
      assert.match(seen(answer), /Limpet-Session/);
    }
    for (const wrong of [`limpet="${value}`, `limpet=${value}"`, `limpet=""${value}""`, `limpet='${value}'`])
      assert.notEqual((await send('/', { headers: { cookie: wrong } })).cookie, '', wrong);
  });

  test('L16: the admin token reaches no backend, whatever else the request says, and no key source', async () => {
    const authorization = `Bearer ${ADMIN}`;
    const others: Record<string, string>[] = [
      {},
      { 'x-limpet-explain': '1' },
      { 'x-limpet-explain': 'yes' },
      { 'x-limpet-explian': '1' },
    ];
    for (const more of others) {
      for (const path of ['/', '/api/x']) {
        const answer = await send(path, { headers: { authorization, ...more } });
        assert.equal(answer.status, 200);
        assert.doesNotMatch(seen(answer), new RegExp(`authorization|${ADMIN}`, 'i'));
        if (path === '/api/x') assert.doesNotMatch(seen(answer), /Limpet-Session/);
        assert.equal(answer.headers['x-limpet-explain'] !== undefined, more['x-limpet-explain'] === '1');
      }
      const bearer = await send('/', { headers: { authorization: `bearer   ${ADMIN} `, ...more } });
      assert.doesNotMatch(seen(bearer), /authorization/i);
    }
    const own = await send('/', { headers: { authorization: 'Bearer of-the-application' } });
    assert.match(seen(own), /Bearer of-the-application/);
  });
});
