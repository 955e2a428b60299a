import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { after, afterEach, before, describe, test } from 'node:test';
import { Certificates } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { NtlmBackend } from '../support/ntlm-backend.ts';
import { isWhole, RawClient } from '../support/raw-client.ts';

/** One connection of a browser. */
class Browser {
  readonly #client: RawClient;
  readonly #path: string;

  private constructor(client: RawClient, path: string) {
    this.#client = client;
    this.#path = path;
  }

  static async open(port: number, path: string): Promise<Browser> {
    return new Browser(await RawClient.open(port), path);
  }

  /** @returns status and body */
  async get(authorization = '', path = '', more = ''): Promise<string> {
    this.#client.text = '';
    const lines = [authorization === '' ? '' : `Authorization: ${authorization}`, more];
    const line = lines.map((one) => (one === '' ? '' : `${one}\r\n`)).join('');
    this.#client.send(`GET ${this.#path}${path} HTTP/1.1\r\nHost: ntlm\r\n${line}\r\n`);
    const text = await this.#client.until((all) => /\r\n\r\n/.test(all) && isWhole(all));
    return `${text.slice(9, 12)} ${text.slice(text.indexOf('\r\n\r\n') + 4).replace(/^[0-9a-f]+\r\n|\r\n0\r\n\r\n$/g, '')}`;
  }

  close(): void {
    this.#client.close();
  }
}

describe('F1: who has said on a connection who he is has it alone', () => {
  const certificates = new Certificates();
  let plain: NtlmBackend;
  let secure: NtlmBackend;
  let limpet: LimpetProcess;
  const open: { close(): void }[] = [];

  before(async () => {
    plain = new NtlmBackend();
    secure = new NtlmBackend(certificates.make('ntlm', { names: ['127.0.0.1'] }));
    await plain.start();
    await secure.start();
    limpet = await startLimpetProcess(
      [
        'workers: 1',
        'trustedProxies: [127.0.0.1/32]',
        'listeners: [{ bind: "127.0.0.1:0", h2c: true }]',
        'routes:',
        '  - { match: { path: /proxied }, pool: proxied }',
        '  - { match: { path: /http2 }, pool: http2 }',
        '  - { match: { path: / }, pool: plain }',
        'pools:',
        `  plain: { backends: [{ id: a, url: "http://127.0.0.1:${plain.port}" }], affinity: [] }`,
        `  proxied: { backends: [{ id: a, url: "https://127.0.0.1:${secure.port}" }], affinity: [], tls: { verify: false } }`,
        `  http2: { backends: [{ id: a, url: "https://127.0.0.1:${secure.port}" }], affinity: [], tls: { verify: false }, http2: true }`,
      ].join('\n'),
    );
  });
  afterEach(() => {
    for (const client of open.splice(0)) client.close();
  });
  after(async () => {
    await limpet?.stop();
    plain?.stop();
    secure?.stop();
    certificates.remove();
  });

  async function browser(path: string): Promise<Browser> {
    const client = await Browser.open(limpet.port, path);
    open.push(client);
    return client;
  }

  for (const path of ['/plain', '/proxied', '/http2']) {
    for (const scheme of ['NTLM', 'Negotiate', 'ntlm']) {
      test(`F1: ${scheme}, two clients interleaved, ${path}`, async () => {
        const [alice, bob, carol] = [await browser(path), await browser(path), await browser(path)];
        assert.equal(await carol.get(), '200 you are nobody');
        assert.equal(await alice.get(`${scheme} TYPE1`), '401 who are you');
        assert.equal(await bob.get(`${scheme} TYPE1`), '401 who are you');
        assert.equal(await carol.get(), '200 you are nobody');
        assert.equal(await alice.get(`${scheme} TYPE3 alice`), '200 you are alice');
        assert.equal(await carol.get(), '200 you are nobody');
        assert.equal(await bob.get(`${scheme} TYPE3 bob`), '200 you are bob');
        for (let n = 0; n < 3; n++) {
          assert.equal(await carol.get(), '200 you are nobody');
          assert.equal(await alice.get(), '200 you are alice');
          assert.equal(await bob.get(), '200 you are bob');
          assert.equal(await (await browser(path)).get(), '200 you are nobody');
        }
      });
    }
  }

  test('F1: the connection closes with its client, and no sooner', async () => {
    const [alice, carol] = [await browser('/plain'), await browser('/plain')];
    await alice.get('NTLM TYPE1');
    await alice.get('NTLM TYPE3 alice-who-leaves');
    assert.equal(await carol.get(), '200 you are nobody');
    // Longer than a connection of this server is kept idle for anybody.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    assert.equal(await alice.get(), '200 you are alice-who-leaves');
    alice.close();
    await eventually('the end of her connection', () => !plain.users.includes('alice-who-leaves'));
  });

  test('F1: a challenge alone makes the connection the one of its client', async () => {
    const [alice, carol] = [await browser('/private'), await browser('/plain')];
    assert.equal(await alice.get(), '401 who are you');
    assert.equal(await carol.get(), '200 you are nobody');
    assert.ok(plain.users.length >= 2, 'carol has another one');
    assert.equal(await alice.get('NTLM TYPE1'), '401 who are you');
    assert.equal(await carol.get(), '200 you are nobody');
    assert.equal(await alice.get('NTLM TYPE3 alice'), '200 you are alice');
    assert.equal(await carol.get(), '200 you are nobody');
  });

  test('F1: behind a trusted proxy one connection may be several people', async () => {
    const proxy = await browser('/plain');
    const [alice, bob] = ['X-Forwarded-For: 203.0.113.1', 'X-Forwarded-For: 203.0.113.2'];
    assert.equal(await proxy.get('NTLM TYPE1', '', alice), '401 who are you');
    assert.equal(await proxy.get('NTLM TYPE3 alice', '', alice), '200 you are alice');
    assert.equal(await proxy.get('', '', alice), '200 you are alice');
    assert.equal(await proxy.get('', '', bob), '200 you are nobody');
    assert.equal(await proxy.get('', '', alice), '200 you are nobody');
  });

  test('F1: other schemes share connections as before', async () => {
    const [alice, bob] = [await browser('/plain'), await browser('/plain')];
    for (const value of ['Basic bnRsbTpudGxt', 'Bearer negotiate', 'Digest username="NTLM"']) {
      const before = plain.users.length;
      await alice.get(value);
      await bob.get(value);
      assert.ok(plain.users.length <= Math.max(before, 1));
    }
  });

  test('F1: streams of HTTP/2 have nothing of their own, and share nothing', async () => {
    const sessions = [connect(limpet.url), connect(limpet.url)];
    for (const session of sessions) open.push({ close: () => session.destroy() });
    const [mine, other] = sessions as [ClientHttp2Session, ClientHttp2Session];
    const get = async (session: ClientHttp2Session, authorization?: string): Promise<string> => {
      const stream = session.request({ ':path': '/plain', ...(authorization === undefined ? {} : { authorization }) });
      let text = '';
      stream.setEncoding('latin1').on('data', (more) => {
        text += more;
      });
      stream.end();
      await once(stream, 'close');
      return text;
    };
    assert.equal(await get(mine, 'NTLM TYPE1'), 'who are you');
    await get(mine, 'NTLM TYPE3 alice');
    for (let n = 0; n < 5; n++) {
      assert.deepEqual(await Promise.all([get(mine), get(mine), get(other)]), new Array(3).fill('you are nobody'));
    }
    assert.ok(!plain.users.includes('alice'));
  });
});
