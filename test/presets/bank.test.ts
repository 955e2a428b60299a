import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answered, ask } from '../support/ask.ts';
import { CookieJar } from '../support/cookie-jar.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { startPreset } from '../support/preset.ts';

const FROM_TLS = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '192.0.2.7' };

test('bank: a strict cookie, a transfer that is sent once, and no session on a server that does not have it (28, 33)', async (t) => {
  const transfers: string[] = [];
  const servers = await Promise.all(
    ['a', 'b', 'c'].map((id) =>
      new HttpBackend(id, (request, response) => {
        request.resume();
        request.on('end', () => {
          if (request.url !== '/transfer') return void response.end(id);
          transfers.push(id);
          request.socket.destroy();
        });
      }).start(),
    ),
  );
  t.after(() => Promise.all(servers.map((server) => server.stop())));
  const limpet = await startPreset('bank', servers);
  t.after(limpet.stop);

  const jar = new CookieJar();
  const send = async (method: string, path: string): Promise<Answered> =>
    jar.take(await ask(limpet.url + path, { method, headers: { ...FROM_TLS, ...jar.headers } }));
  const first = await send('GET', '/');
  const [cookie] = first.headers['set-cookie']!;
  assert.match(cookie!, /^__Host-limpet=/);
  assert.deepEqual(cookie!.split('; ').slice(1).sort(), ['HttpOnly', 'Path=/', 'SameSite=Strict', 'Secure']);

  const transfer = await send('POST', '/transfer');
  assert.deepEqual([transfer.status, transfer.code], [502, 'BACKEND_RESET']);
  assert.deepEqual(transfers, [first.backend]);

  // Replicas are a -> b -> c -> a.
  const at = servers.findIndex(({ id }) => id === first.backend);
  const [home, replica, third] = [0, 1, 2].map((n) => servers[(at + n) % 3]!);
  await home!.stop();
  assert.equal((await send('GET', '/')).backend, replica!.id);
  assert.equal((await send('GET', '/')).backend, replica!.id);

  // That one dies too, and with it the only other one that has a copy. One that comes back with an empty memory is no
  // replacement.
  await Promise.all([replica!.stop(), third!.stop()]);
  await home!.start();
  const refused: string[] = [];
  const lost = await eventually('the session to be lost', async () => {
    const answer = await send('GET', '/');
    refused.push(`${answer.status} ${answer.code}`);
    return answer.code === 'SESSION_LOST' && answer;
  });
  assert.deepEqual([lost.status, lost.headers['retry-after'] !== undefined], [503, true]);
  const possible = ['502 BACKEND_CONNECT', '503 SESSION_LOST'];
  assert.ok(
    refused.every((one) => possible.includes(one)),
    refused.join(),
  );
  // It has ended, and was told so: now a new one begins.
  const old = jar.get('__Host-limpet');
  const anew = await eventually('a new session', async () => {
    const answer = await send('GET', '/');
    return answer.status === 200 && answer;
  });
  assert.equal(anew.backend, home!.id);
  assert.notEqual(jar.get('__Host-limpet'), old);
});
