import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Agent } from 'node:http';
import { test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { startPreset } from '../support/preset.ts';

const VIEWERS = 60;
const SEGMENTS = 8;
const SEGMENT = 32_768;

/** The bytes of a part of a file, the same on every server. */
function segment(nth: number): string {
  return createHash('shake256', { outputLength: SEGMENT / 2 })
    .update(`${nth}`)
    .digest('hex');
}

test(`video: ${VIEWERS} viewers get every part of their file from one server, and the rest of it from its replica`, async (t) => {
  let failing = '';
  const servers = await Promise.all(
    ['edge1', 'edge2', 'edge3'].map((id) =>
      new HttpBackend(id, (request, response) => {
        request.resume();
        if (id === failing) return void response.writeHead(503).end();
        const [, from = '', to = ''] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
        response.writeHead(206, {
          'Content-Type': 'video/mp4',
          'Content-Range': `bytes ${from}-${to}/${SEGMENT * SEGMENTS}`,
          'Content-Length': SEGMENT,
        });
        response.end(segment(Number(from) / SEGMENT), 'latin1');
      }).start(),
    ),
  );
  t.after(() => Promise.all(servers.map((server) => server.stop())));
  const limpet = await startPreset('stream', servers);
  t.after(limpet.stop);
  const agent = new Agent({ keepAlive: true, maxSockets: 40 });
  t.after(() => agent.destroy());

  const watch = async (query: string, nth: number): Promise<string> => {
    const range = `bytes=${nth * SEGMENT}-${(nth + 1) * SEGMENT - 1}`;
    const answer = await ask(`${limpet.url}/film.mp4${query}`, { headers: { range }, agent });
    assert.equal(answer.status, 206, answer.code);
    assert.equal(answer.headers['content-range'], `${range.replace('=', ' ')}/${SEGMENT * SEGMENTS}`);
    assert.ok(answer.body === segment(nth), `part ${nth} is another one`);
    assert.equal(answer.headers['set-cookie'], undefined);
    return answer.backend;
  };
  const homes = await Promise.all(
    Array.from({ length: VIEWERS }, async (_, i) => {
      const home = await watch(`?viewer=v${i}`, 0);
      for (let nth = 1; nth < SEGMENTS / 2; nth++) assert.equal(await watch(`?viewer=v${i}`, nth), home);
      return home;
    }),
  );
  for (const { id } of servers) assert.ok(homes.includes(id), id);
  // Without the value, the address names the viewer: all of these are one.
  const byAddress = await watch('', 0);
  for (let nth = 1; nth < SEGMENTS; nth++) assert.equal(await watch('', nth), byAddress);

  // One server has lost its disk: what it refuses is asked of another one, and what it had moves there when it is taken
  // out.
  failing = homes[0]!;
  for (const i of homes.keys()) {
    for (let nth = SEGMENTS / 2; nth < SEGMENTS; nth++) {
      const from = await watch(`?viewer=v${i}`, nth);
      if (homes[i] === failing) assert.notEqual(from, failing);
      else assert.equal(from, homes[i]);
    }
  }
  assert.equal(await new Admin(limpet.admin).metric('limpet_errors_total'), 0);
  assert.equal(limpet.stderr(), '');
});
