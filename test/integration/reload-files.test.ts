import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { runLimpet } from '../cli/run-limpet.ts';
import { ask } from '../support/ask.ts';
import { Certificates } from '../support/certificates.ts';
import { startLimpetProcess } from '../support/limpet.ts';

test('limpet reload says which files, under the same names, hold something else, and nothing of those that do not (44)', async (t) => {
  const made = new Certificates();
  t.after(() => made.remove());
  const [one, two] = [made.make('one', { authority: true }), made.make('two', { authority: true })];
  const publicKey = (pem: string): string =>
    new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'pem' }).toString();
  made.write('ca.pem', one.certPem);
  made.write('own.pem', one.certPem);
  made.write('own.key', one.keyPem);
  made.write('public.pem', publicKey(one.certPem));
  const verify = `verify: { publicKeyFile: ${made.path('public.pem')}, algorithms: [ES256] }`;
  const limpet = await startLimpetProcess(`workers: 2
routes: [{ match: { path: /t }, pool: tokens }, { pool: secure }]
pools:
  secure:
    backends: [{ id: a, url: "https://127.0.0.1:9" }]
    tls: { ca: ${made.path('ca.pem')}, cert: ${made.path('own.pem')}, key: ${made.path('own.key')} }
  tokens:
    backends: [{ id: a, url: "http://127.0.0.1:9" }]
    affinity: [{ by: header, name: X-S }, { by: token, from: authorization, claim: sub, ${verify} }]
`);
  t.after(limpet.stop);
  const reload = async (): Promise<string[]> => {
    const { status, body } = await ask(`${limpet.admin}/api/v1/reload`, { method: 'POST' });
    assert.equal(status, 200, body);
    const { changes } = JSON.parse(body) as { changes: { path: string; change: string }[] };
    return changes.map(({ path, change }) => `${change} ${path}`);
  };
  assert.deepEqual(await reload(), []);

  made.write('ca.pem', two.certPem);
  const { status, stdout } = await runLimpet(['reload', '--admin', limpet.admin]);
  assert.equal(status, 0);
  assert.match(stdout, /^changed +pools\.secure\.tls \(content of its files\)$/m);
  // Written anew with what it held: nothing to tell.
  made.write('ca.pem', two.certPem);
  made.write('public.pem', publicKey(one.certPem));
  assert.deepEqual(await reload(), []);

  made.write('own.pem', two.certPem);
  made.write('own.key', two.keyPem);
  made.write('public.pem', publicKey(two.certPem));
  assert.deepEqual(await reload(), [
    'changed pools.secure.tls (content of its files)',
    'changed pools.tokens.affinity[1].verify.publicKeyFile (its content)',
  ]);

  // A file that is no good changes nothing, and is no news once it is as it was.
  made.write('own.key', 'nothing');
  const refused = await ask(`${limpet.admin}/api/v1/reload`, { method: 'POST' });
  assert.equal(refused.status, 422);
  assert.match(refused.body, /pools\.secure\.tls\.key[\s\S]*own\.key holds no private key/);
  made.write('own.key', two.keyPem);
  assert.deepEqual(await reload(), []);
});
