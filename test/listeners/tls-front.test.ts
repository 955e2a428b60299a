import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, test } from 'node:test';
import { TlsFront, type TlsFrontParts } from '../../src/listeners/tls-front.ts';
import { Certificates } from '../support/certificates.ts';
import { tlsVisit } from '../support/tls-client.ts';

const made = new Certificates();
after(() => made.remove());
const { certPem: cert, keyPem: key } = made.make('one', { names: ['one.example'] });
const authority = made.make('authority', { authority: true });

function front(fill: number, more: Partial<TlsFrontParts> = {}): TlsFront {
  return new TlsFront({
    bind: '127.0.0.1:443',
    tls: { certificates: [], alpn: ['http/1.1'], minVersion: 'TLSv1.2', clientCa: null },
    material: { certificates: [{ cert, key, names: ['one.example'] }], clientCa: null },
    ticketKeys: new Uint8Array(48).fill(fill),
    ...more,
  });
}

test('a ticket is good at every front with the same keys and the same address, and at no other', async (t) => {
  let current = front(1);
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => {});
    current.accept(socket, {
      onSecure: (secure) => {
        secure.on('error', () => {});
        secure.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
        secure.resume();
      },
      onTlsError: () => socket.destroy(),
    });
  });
  server.listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    current = front(1);
    const { session } = await tlsVisit(port, { maxVersion });
    const resumes = async (at: TlsFront): Promise<boolean> => {
      current = at;
      return (await tlsVisit(port, { maxVersion, session: session! })).resumed;
    };
    assert.equal(await resumes(front(1)), true, 'another worker');
    assert.equal(await resumes(front(2)), false, 'other keys');
    assert.equal(await resumes(front(1, { bind: '127.0.0.1:444' })), false, 'another listener');
    const material = { certificates: [{ cert, key, names: [] }], clientCa: authority.certPem };
    current = front(1, { material });
    await assert.rejects(
      tlsVisit(port, { maxVersion, session: session! }),
      'a ticket of the time without client certificates does not stand for one',
    );
  }
});
