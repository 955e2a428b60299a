import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { after, before, suite, test } from 'node:test';
import { type CertificateFiles, Certificates } from '../support/certificates.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { tlsVisit } from '../support/tls-client.ts';

suite('a session that is bound to the certificate of its client', () => {
  const made = new Certificates();
  const backend = new HttpBackend('a');
  const authority = made.make('authority', { authority: true });
  made.make('server', { names: ['127.0.0.1'], by: authority });
  const owner = made.make('owner', { by: authority });
  const other = made.make('other', { by: authority });
  let limpet: LimpetProcess;

  before(async () => {
    await backend.start();
    const pair = `{ cert: ${made.path('server.pem')}, key: ${made.path('server.key')} }`;
    limpet = await startLimpetProcess(`workers: 2
listeners: [{ bind: "127.0.0.1:0", tls: { certificates: [${pair}], clientCa: ${authority.cert} } }]
pools:
  app:
    backends: [{ id: a, url: "${backend.url}" }]
    session: { bindTo: [tls], onBindingMismatch: reject }
`);
  });

  after(async () => {
    await limpet?.stop();
    await backend.stop();
    made.remove();
  });

  /** Status, Limpet-Error and the session's cookie of one request over a connection of its own. */
  const http1 = async ({ certPem, keyPem }: CertificateFiles, cookie = '', session?: Buffer) => {
    const request = `GET / HTTP/1.1\r\nHost: x\r\n${cookie === '' ? '' : `Cookie: ${cookie}\r\n`}\r\n`;
    const visit = await tlsVisit(limpet.port, { request, cert: certPem, key: keyPem, ...(session ? { session } : {}) });
    return {
      status: Number(visit.text.slice(9, 12)),
      code: /^limpet-error: (\S+)/im.exec(visit.text)?.[1] ?? '',
      cookie: /^set-cookie: (limpet=[^;]+)/im.exec(visit.text)?.[1] ?? '',
      resumed: visit.resumed,
      session: visit.session,
    };
  };

  const http2 = async ({ certPem, keyPem }: CertificateFiles, cookie = '', times = 1) => {
    const session = connect(limpet.url, { rejectUnauthorized: false, cert: certPem, key: keyPem });
    try {
      let answer = { status: 0, code: '', cookie: '' };
      for (let nth = 0; nth < times; nth++) {
        const { promise, resolve, reject } = Promise.withResolvers<typeof answer>();
        session.on('error', reject);
        const stream = session.request({ ':path': '/', ...(cookie === '' ? {} : { cookie }) });
        stream.on('error', reject);
        stream.on('response', (head) => {
          answer = {
            status: head[':status'] ?? 0,
            code: String(head['limpet-error'] ?? ''),
            cookie: head['set-cookie']?.[0]?.split(';')[0] ?? '',
          };
        });
        stream.on('end', () => resolve(answer)).resume();
        await promise;
      }
      return answer;
    } finally {
      session.destroy();
    }
  };

  test('HTTP/1.1: goes on with the same certificate, also over a resumed connection, and is refused with another', async () => {
    const first = await http1(owner);
    assert.equal(first.status, 200);
    assert.notEqual(first.cookie, '');
    assert.equal((await http1(owner, first.cookie)).status, 200);
    const again = await http1(owner, first.cookie, first.session);
    assert.deepEqual([again.resumed, again.status], [true, 200]);
    const intruder = await http1(other, first.cookie);
    assert.deepEqual([intruder.status, intruder.code], [403, 'BINDING_MISMATCH']);
  });

  test('HTTP/2: the same, for every stream of a connection', async () => {
    const first = await http2(owner);
    assert.equal(first.status, 200);
    assert.notEqual(first.cookie, '');
    assert.equal((await http2(owner, first.cookie, 3)).status, 200);
    const intruder = await http2(other, first.cookie, 2);
    assert.deepEqual([intruder.status, intruder.code], [403, 'BINDING_MISMATCH']);
  });

  test('a certificate is the same over both', async () => {
    const { cookie } = await http2(owner);
    assert.equal((await http1(owner, cookie)).status, 200);
    assert.equal((await http1(other, cookie)).status, 403);
    const back = await http1(other);
    assert.equal((await http2(other, back.cookie)).status, 200);
    assert.equal((await http2(owner, back.cookie)).status, 403);
  });
});
