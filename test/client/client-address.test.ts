import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { clientAddress, clientHost, clientScheme, forwardedLines } from '../../src/client/client-address.ts';
import { TrustedProxies } from '../../src/client/trusted-proxies.ts';
import { Head, Parse } from '../../src/http1/head.ts';

const trusted = new TrustedProxies(['10.0.0.0/8', 'fd00::/8', '192.0.2.7/32']);

function headOf(lines: readonly string[]): Head {
  const head = new Head();
  const bytes = Buffer.from(['GET / HTTP/1.1', 'Host: shop.example', ...lines, '', ''].join('\r\n'), 'latin1');
  assert.equal(head.parseRequest(bytes, 0, bytes.length), Parse.done, head.problem);
  return head;
}

const PEER = '10.0.0.1';
const addressOf = (...lines: string[]): string => clientAddress(PEER, true, headOf(lines), trusted);

test('of a peer that is not trusted nothing is believed (behaviours 10, 65)', () => {
  const head = headOf(['X-Forwarded-For: 10.9.9.9', 'X-Forwarded-Proto: https', 'Forwarded: for=10.9.9.9;proto=https']);
  assert.equal(clientAddress('203.0.113.5', false, head, trusted), '203.0.113.5');
  assert.equal(clientScheme(false, false, head, trusted), 'http');
  assert.equal(clientScheme(true, false, headOf(['X-Forwarded-Proto: http']), trusted), 'https');
});

const addresses: readonly (readonly [string[], string])[] = [
  [[], PEER],
  [['X-Forwarded-For: 203.0.113.5'], '203.0.113.5'],
  [['x-forwarded-for:203.0.113.5'], '203.0.113.5'],
  [['X-Forwarded-For: 198.51.100.1, 203.0.113.5'], '203.0.113.5'],
  [['X-Forwarded-For: 203.0.113.5, 10.1.1.1,10.2.2.2'], '203.0.113.5'],
  [['X-Forwarded-For: 198.51.100.1, 203.0.113.5, 10.1.1.1'], '203.0.113.5'],
  [['X-Forwarded-For: 198.51.100.1', 'X-Forwarded-For: 203.0.113.5', 'X-Forwarded-For: 10.1.1.1'], '203.0.113.5'],
  [['X-Forwarded-For: 10.3.3.3, 10.1.1.1'], '10.3.3.3'],
  [['X-Forwarded-For: 203.0.113.5, 192.0.2.7'], '203.0.113.5'],
  [['X-Forwarded-For: 203.0.113.5, 192.0.2.8'], '192.0.2.8'],
  [['X-Forwarded-For: 203.0.113.5,, '], '203.0.113.5'],
  [['X-Forwarded-For:'], PEER],
  [['X-Forwarded-For: ,'], PEER],
  [['X-Forwarded-For: unknown'], PEER],
  [['X-Forwarded-For: 203.0.113.5, unknown'], PEER],
  [['X-Forwarded-For: 203.0.113.5, unknown, 10.1.1.1'], '10.1.1.1'],
  [['X-Forwarded-For: 203.0.113.5, 10.1.1.1x'], PEER],
  [['X-Forwarded-For: 0xcb.0.0.1'], PEER],
  [['X-Forwarded-For: 203.0.113'], PEER],
  [['X-Forwarded-For: 203.0.113.5:4711'], '203.0.113.5'],
  [['X-Forwarded-For: 203.0.113.5:47110000'], PEER],
  [['X-Forwarded-For: 2001:DB8:0::1'], '2001:db8::1'],
  [['X-Forwarded-For: [2001:db8::1]'], '2001:db8::1'],
  [['X-Forwarded-For: [2001:db8::1]:4711, fd00::2'], '2001:db8::1'],
  [['X-Forwarded-For: [203.0.113.5]'], PEER],
  [['X-Forwarded-For: [2001:db8::1'], PEER],
  [['X-Forwarded-For: ::ffff:203.0.113.5'], '203.0.113.5'],
  [['X-Forwarded-For: 203.0.113.5, ::ffff:10.1.1.1'], '203.0.113.5'],
  [['X_Forwarded_For: 203.0.113.5'], PEER],
  [['Forwarded: for=203.0.113.5'], '203.0.113.5'],
  [['Forwarded: For="203.0.113.5";proto=https;by=10.0.0.1'], '203.0.113.5'],
  [['Forwarded: for=198.51.100.1, for=203.0.113.5, for=10.1.1.1'], '203.0.113.5'],
  [['Forwarded: for=198.51.100.1', 'Forwarded: for=203.0.113.5'], '203.0.113.5'],
  [['Forwarded: for="203.0.113.5:4711"'], '203.0.113.5'],
  [['Forwarded: for=203.0.113.5:4711'], '203.0.113.5'],
  [['Forwarded: for="[2001:db8::1]:4711"'], '2001:db8::1'],
  [['Forwarded: for="[2001:db8::1]:_port"'], '2001:db8::1'],
  [['Forwarded: for=[2001:db8::1]'], '2001:db8::1'],
  [['Forwarded: for="\\2\\03.0.113.5"'], '203.0.113.5'],
  [['Forwarded: for=unknown'], PEER],
  [['Forwarded: for=_hidden, for=10.1.1.1'], '10.1.1.1'],
  [['Forwarded: for=203.0.113.5, for=10.1.1.1;for=10.2.2.2'], PEER],
  [['Forwarded: for=203.0.113.5, proto=https'], PEER],
  [['Forwarded: for = 203.0.113.5'], PEER],
  [['Forwarded: 203.0.113.5'], PEER],
  [['Forwarded: for=";x=1, for=203.0.113.5'], '203.0.113.5'],
  [['Forwarded: for=198.51.100.1;x=", for=203.0.113.5;by="10.0.0.1"'], '203.0.113.5'],
  [['X-Forwarded-For: 203.0.113.5', 'Forwarded: for=203.0.113.5'], '203.0.113.5'],
  [['X-Forwarded-For: 203.0.113.5', 'Forwarded: proto=https'], '203.0.113.5'],
  [['X-Forwarded-For:', 'Forwarded: for=203.0.113.5'], '203.0.113.5'],
  [['X-Forwarded-For: 203.0.113.5', 'Forwarded: for=198.51.100.1'], PEER],
  [['X-Forwarded-For: 198.51.100.1, 203.0.113.5', 'Forwarded: for=203.0.113.5, for=10.1.1.1'], '203.0.113.5'],
  [['X-Forwarded-For: 203.0.113.5', 'Forwarded: garbage'], PEER],
];
for (const [lines, client] of addresses) {
  test(`the client of ${JSON.stringify(lines)} is ${client === PEER ? 'the peer' : client} (behaviours 16, 65)`, () => {
    assert.equal(addressOf(...lines), client);
  });
}

const schemes: readonly (readonly [string[], string])[] = [
  [[], 'http'],
  [['X-Forwarded-Proto: https'], 'https'],
  [['X-Forwarded-Proto: HTTPS'], 'https'],
  [['X-Forwarded-Proto: wss'], 'https'],
  [['X-Forwarded-Proto: http'], 'http'],
  [['X-Forwarded-Proto: spdy'], 'http'],
  [['X-Forwarded-Proto:'], 'http'],
  [['X-Forwarded-For: 203.0.113.5, 10.1.1.1', 'X-Forwarded-Proto: https, http'], 'https'],
  [['X-Forwarded-For: 198.51.100.1, 203.0.113.5', 'X-Forwarded-Proto: https, http'], 'http'],
  [['X-Forwarded-For: 203.0.113.5, 10.1.1.1, 10.2.2.2', 'X-Forwarded-Proto: https, http'], 'https'],
  [['X-Forwarded-Proto: https, http'], 'http'],
  [['Forwarded: proto=https'], 'https'],
  [['Forwarded: for=203.0.113.5;proto=https'], 'https'],
  [['Forwarded: for=203.0.113.5;proto=https, for=10.1.1.1;proto=http'], 'https'],
  [['Forwarded: for=198.51.100.1;proto=https, for=203.0.113.5;proto=http'], 'http'],
  [['Forwarded: for=198.51.100.1;proto=https, for=203.0.113.5'], 'http'],
  [['Forwarded: for=unknown;proto=https'], 'http'],
  [['X-Forwarded-Proto: https', 'Forwarded: for=203.0.113.5;proto=https'], 'https'],
  [['X-Forwarded-Proto: https', 'Forwarded: for=203.0.113.5'], 'https'],
  [['X-Forwarded-Proto: https', 'Forwarded: for=203.0.113.5;proto=http'], 'http'],
];
for (const [lines, scheme] of schemes) {
  test(`the scheme of ${JSON.stringify(lines)} is ${scheme} (behaviour 10)`, () => {
    assert.equal(clientScheme(false, true, headOf(lines), trusted), scheme);
  });
}

test('on a TLS connection of its own limpet says https, unless the trusted peer says otherwise', () => {
  assert.equal(clientScheme(true, true, headOf([]), trusted), 'https');
  assert.equal(clientScheme(true, true, headOf(['X-Forwarded-Proto: http']), trusted), 'http');
});

const linesOf = (text: string): Record<string, string> => {
  assert.ok(text.endsWith('\r\n'));
  return Object.fromEntries(
    text
      .slice(0, -2)
      .split('\r\n')
      .map((line) => line.split(/: (.*)/s).slice(0, 2)),
  );
};

test('what a peer that is not trusted sent is replaced (behaviour 65)', () => {
  assert.equal(
    forwardedLines(
      '203.0.113.5',
      false,
      false,
      'shop.example',
      headOf(['X-Forwarded-For: 1.1.1.1', 'Forwarded: for=1.1.1.1']),
    ),
    'X-Forwarded-For: 203.0.113.5\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: shop.example\r\nForwarded: for=203.0.113.5;host=shop.example;proto=http\r\n',
  );
  assert.equal(
    forwardedLines('203.0.113.5', false, false, 'shop.example', null),
    forwardedLines(
      '203.0.113.5',
      false,
      false,
      'shop.example',
      headOf(['X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: https']),
    ),
  );
});

test('what is no token is quoted in Forwarded (RFC 7239 section 4)', () => {
  assert.equal(
    linesOf(forwardedLines('2001:db8::1', false, true, 'shop.example:8443', null)).Forwarded,
    'for="[2001:db8::1]";host="shop.example:8443";proto=https',
  );
  assert.equal(
    linesOf(forwardedLines('2001:db8::1', false, true, '[::1]', null)).Forwarded,
    'for="[2001:db8::1]";host="[::1]";proto=https',
  );
  assert.equal(linesOf(forwardedLines('2001:db8::1', false, true, '', null))['X-Forwarded-For'], '2001:db8::1');
});

test('a peer without an address is unknown, a request without Host has none', () => {
  assert.equal(
    forwardedLines('', false, false, '', null),
    'X-Forwarded-Proto: http\r\nForwarded: for=unknown;proto=http\r\n',
  );
});

const appended: readonly (readonly [string[], boolean, Record<string, string>])[] = [
  [
    [],
    false,
    {
      'X-Forwarded-For': PEER,
      'X-Forwarded-Proto': 'http',
      'X-Forwarded-Host': 'in.example',
      Forwarded: 'for=10.0.0.1;host=in.example;proto=http',
    },
  ],
  [
    ['X-Forwarded-For: 203.0.113.5', 'X-Forwarded-Proto: https', 'X-Forwarded-Host: shop.example'],
    true,
    {
      'X-Forwarded-For': '203.0.113.5, 10.0.0.1',
      'X-Forwarded-Proto': 'https',
      'X-Forwarded-Host': 'shop.example',
      Forwarded: 'for=203.0.113.5;host=shop.example;proto=https, for=10.0.0.1;host=in.example',
    },
  ],
  [
    ['X-Forwarded-For: evil, 2001:db8::1', 'X-Forwarded-For: 10.1.1.1'],
    false,
    {
      'X-Forwarded-For': 'evil, 2001:db8::1, 10.1.1.1, 10.0.0.1',
      'X-Forwarded-Proto': 'http',
      'X-Forwarded-Host': 'in.example',
      Forwarded: 'for=unknown;proto=http, for="[2001:db8::1]", for=10.1.1.1, for=10.0.0.1;host=in.example',
    },
  ],
  [
    ['Forwarded: for="[2001:db8::1]:47";proto=https;host=shop.example', 'Forwarded: for=_x;by=y'],
    true,
    {
      'X-Forwarded-For': '2001:db8::1, unknown, 10.0.0.1',
      'X-Forwarded-Proto': 'https',
      'X-Forwarded-Host': 'shop.example',
      Forwarded: 'for="[2001:db8::1]:47";proto=https;host=shop.example, for=_x;by=y, for=10.0.0.1;host=in.example',
    },
  ],
  [
    ['X-Forwarded-For: 203.0.113.5', 'Forwarded: for=203.0.113.5'],
    false,
    {
      'X-Forwarded-For': '203.0.113.5, 10.0.0.1',
      'X-Forwarded-Proto': 'http',
      'X-Forwarded-Host': 'in.example',
      Forwarded: 'for=203.0.113.5, for=10.0.0.1;host=in.example',
    },
  ],
  [
    ['Forwarded: for=";x, for=203.0.113.5'],
    false,
    {
      'X-Forwarded-For': 'unknown, 203.0.113.5, 10.0.0.1',
      'X-Forwarded-Proto': 'http',
      'X-Forwarded-Host': 'in.example',
      Forwarded: 'for=unknown, for=203.0.113.5, for=10.0.0.1;host=in.example',
    },
  ],
];
for (const [lines, secure, expected] of appended) {
  test(`what a trusted peer sent is appended to: ${JSON.stringify(lines)} (behaviour 65)`, () => {
    assert.deepEqual(linesOf(forwardedLines(PEER, true, secure, 'in.example', headOf(lines))), expected);
  });
}

test('what limpet writes names the same client to a limpet behind it', () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(
      fc.array(address, { maxLength: 3 }),
      fc.constantFrom('X-Forwarded-For', 'Forwarded', 'both'),
      (hops, kind) => {
        const listed = `X-Forwarded-For: ${hops.join(', ')}`;
        const forwarded = `Forwarded: ${hops.map((hop) => (hop.includes(':') ? `for="[${hop}]"` : `for=${hop}`)).join(', ')}`;
        const head = headOf([
          ...(kind === 'Forwarded' ? [] : [listed]),
          ...(kind === 'X-Forwarded-For' ? [] : [forwarded]),
        ]);
        const first = clientAddress(PEER, true, head, trusted);
        const next = headOf(forwardedLines(PEER, true, false, 'shop.example', head).slice(0, -2).split('\r\n'));
        assert.equal(clientAddress('10.0.0.99', true, next, trusted), first);
      },
    ),
    { numRuns: 500 },
  );
});

test('whatever the headers hold, an address comes out and the lines are lines', () => {
  const piece = fc.constantFrom(
    'for=',
    '"',
    ',',
    ';',
    '\\',
    '203.0.113.5',
    '[2001:db8::1]',
    ':80',
    ' ',
    '=',
    'unknown',
    '\xa0',
    'proto=https',
    'host=',
    '10.0.0.2',
  );
  const value = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(value, value, value, (listed, forwarded, proto) => {
      const head = headOf([
        `X-Forwarded-For: ${listed}`,
        `Forwarded: ${forwarded}`,
        `X-Forwarded-Proto: ${proto}`,
        `X-Forwarded-Host: ${proto}`,
      ]);
      assert.match(clientAddress(PEER, true, head, trusted), /^[0-9a-f.:]+$/);
      const scheme = clientScheme(false, true, head, trusted);
      headOf(
        forwardedLines(PEER, true, scheme === 'https', 'shop.example', head)
          .slice(0, -2)
          .split('\r\n'),
      );
    }),
    { numRuns: 1000 },
  );
});

const hosts: readonly (readonly [string[], string])[] = [
  [[], 'shop.example'],
  [['X-Forwarded-Host: www.shop.example:8443'], 'www.shop.example:8443'],
  [
    ['X-Forwarded-For: 203.0.113.5, 10.1.1.1', 'X-Forwarded-Host: evil.example, www.shop.example, inner'],
    'www.shop.example',
  ],
  [['X-Forwarded-Host:'], 'shop.example'],
  [['Forwarded: for=203.0.113.5;host="www.shop.example:8443"'], 'www.shop.example:8443'],
  [['Forwarded: for=198.51.100.1;host=evil.example, for=203.0.113.5;host=www.shop.example'], 'www.shop.example'],
  [['Forwarded: for=203.0.113.5'], 'shop.example'],
  [['Forwarded: for=203.0.113.5;host=WWW.example', 'X-Forwarded-Host: www.example'], 'www.example'],
  [['Forwarded: for=203.0.113.5;host=evil.example', 'X-Forwarded-Host: www.example'], 'shop.example'],
];

for (const [lines, host] of hosts) {
  test(`the client asked ${host} when a trusted peer sends ${JSON.stringify(lines)}`, () => {
    assert.equal(clientHost(true, headOf(lines), trusted), host);
    assert.equal(clientHost(false, headOf(lines), trusted), 'shop.example');
  });
}
