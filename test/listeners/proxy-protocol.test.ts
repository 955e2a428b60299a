import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ProxyHeader, parseProxyHeader } from '../../src/listeners/proxy-protocol.ts';
import { proxyV1, proxyV2, tcp4, tcp6, tlv } from '../support/proxy-header.ts';

const parse = (bytes: string | Buffer, versions: 'v1' | 'v2' | 'any' = 'any'): ProxyHeader =>
  parseProxyHeader(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, versions);
const IPV6 = '20010db8000000000000000000000007';

const good: readonly (readonly [string, string | Buffer, string | null])[] = [
  ['v1 TCP4', proxyV1('192.0.2.7'), '192.0.2.7'],
  ['v1 TCP6', proxyV1('2001:DB8:0::7'), '2001:db8::7'],
  [
    'v1 with the longest line',
    `PROXY TCP6 ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`,
    `${'ffff:'.repeat(7)}ffff`,
  ],
  ['v1 UNKNOWN', 'PROXY UNKNOWN\r\n', null],
  ['v1 UNKNOWN with anything behind', 'PROXY UNKNOWN ffff::1 x y\r\n', null],
  ['v2 TCP4', proxyV2(0x21, 0x11, tcp4('192.0.2.7')), '192.0.2.7'],
  ['v2 TCP6', proxyV2(0x21, 0x21, tcp6(IPV6)), '2001:db8::7'],
  [
    'v2 with an IPv4 address mapped to IPv6',
    proxyV2(0x21, 0x21, tcp6('00000000000000000000ffffc0000207')),
    '192.0.2.7',
  ],
  [
    'v2 with TLVs',
    proxyV2(0x21, 0x11, Buffer.concat([tcp4('192.0.2.7'), tlv(2, Buffer.from('x')), tlv(0xea, Buffer.alloc(5_000))])),
    '192.0.2.7',
  ],
  ['v2 LOCAL', proxyV2(0x20, 0x00, Buffer.alloc(0)), null],
  ['v2 LOCAL with addresses', proxyV2(0x20, 0x11, tcp4('192.0.2.7')), null],
  ['v2 of an unknown family', proxyV2(0x21, 0x00, Buffer.alloc(3)), null],
  ['v2 over a unix socket', proxyV2(0x21, 0x31, Buffer.alloc(216)), null],
];

for (const [name, given, address] of good) {
  test(`${name} is taken, and needs all of its bytes and no more`, () => {
    const bytes = typeof given === 'string' ? Buffer.from(given, 'latin1') : given;
    const header = parse(bytes);
    const { ends } = header.kind === 'done' ? header : { ends: null };
    assert.deepEqual(header, { kind: 'done', size: bytes.length, address, ends });
    assert.equal(ends === null, address === null);
    const request = Buffer.concat([bytes, Buffer.from('GET / HTTP/1.1\r\n\r\n')]);
    assert.deepEqual(parse(request), { kind: 'done', size: bytes.length, address, ends });
    for (let length = 0; length < bytes.length; length++)
      assert.equal(parse(bytes.subarray(0, length)).kind, 'more', `${length} bytes`);
  });
}

const wrong: readonly (readonly [string, string | Buffer])[] = [
  ['a request', 'GET / HTTP/1.1\r\n\r\n'],
  ['the first byte of a request', 'G'],
  ['a TLS handshake', Buffer.from([0x16, 0x03, 0x01])],
  ['lower case', 'proxy TCP4 192.0.2.7 127.0.0.1 1 2\r\n'],
  ['an unknown family', 'PROXY UDP4 192.0.2.7 127.0.0.1 1 2\r\n'],
  ['an address of the other family', 'PROXY TCP4 2001:db8::7 127.0.0.1 1 2\r\n'],
  ['no address', 'PROXY TCP4 localhost 127.0.0.1 1 2\r\n'],
  ['an address with a zone', 'PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n'],
  ['a port that is too large', 'PROXY TCP4 192.0.2.7 127.0.0.1 65536 2\r\n'],
  ['a port with a sign', 'PROXY TCP4 192.0.2.7 127.0.0.1 +1 2\r\n'],
  ['a missing port', 'PROXY TCP4 192.0.2.7 127.0.0.1 1\r\n'],
  ['one field more', 'PROXY TCP4 192.0.2.7 127.0.0.1 1 2 3\r\n'],
  ['two spaces', 'PROXY TCP4  192.0.2.7 127.0.0.1 1 2\r\n'],
  ['a bare line feed', `PROXY TCP4 192.0.2.7 127.0.0.1 1 2\n${'x'.repeat(100)}`],
  ['a line that never ends', `PROXY UNKNOWN ${'x'.repeat(100)}`],
  ['another version of the binary form', proxyV2(0x11, 0x11, tcp4('192.0.2.7'))],
  ['another command of the binary form', proxyV2(0x22, 0x11, tcp4('192.0.2.7'))],
  ['a binary form without room for its addresses', proxyV2(0x21, 0x11, Buffer.alloc(11))],
  ['a binary form without room for its IPv6 addresses', proxyV2(0x21, 0x21, Buffer.alloc(35))],
];

for (const [name, header] of wrong) {
  test(`${name} is refused`, () => assert.equal(parse(header).kind, 'bad'));
}

test('only the version that is asked for is taken', () => {
  assert.equal(parse(proxyV1('192.0.2.7'), 'v1').kind, 'done');
  assert.equal(parse(proxyV1('192.0.2.7'), 'v2').kind, 'bad');
  assert.equal(parse(proxyV2(0x21, 0x11, tcp4('192.0.2.7')), 'v2').kind, 'done');
  assert.equal(parse(proxyV2(0x21, 0x11, tcp4('192.0.2.7')), 'v1').kind, 'bad');
});

test('the ports and the address that the client came to are read too', () => {
  const ends = (bytes: string | Buffer): unknown => {
    const header = parse(bytes);
    return header.kind === 'done' ? header.ends : null;
  };
  const known = { remotePort: 40_000, localAddress: '127.0.0.1', localPort: 443 };
  assert.deepEqual(ends(proxyV1('192.0.2.7')), known);
  assert.deepEqual(ends(proxyV2(0x21, 0x11, tcp4('192.0.2.7'))), known);
  assert.deepEqual(ends(proxyV2(0x21, 0x21, tcp6(IPV6))), { ...known, localAddress: '::' });
  assert.equal(ends(proxyV2(0x20, 0x11, tcp4('192.0.2.7'))), null);
});
