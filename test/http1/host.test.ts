import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isHost, isSameHost } from '../../src/http1/host.ts';

function valid(host: string): boolean {
  const bytes = Buffer.from(`[${host}:`, 'latin1');
  return isHost(bytes, 1, bytes.length - 1);
}

describe('isHost', () => {
  it('53: takes names, with and without a port', () => {
    const hosts = [
      'a',
      'A',
      'shop.example',
      'shop.example.',
      'foo_bar.example',
      'xn--bcher-kva.example',
      '0.0.0.0=5000',
    ];
    for (const host of [...hosts, 'a1', '1a', 'a.1b', '1.a', '~!$&()*+;=a', "a'b", '0xg', '0x1.a']) {
      for (const port of ['', ':', ':0', ':80', ':65535', ':00080']) assert.ok(valid(host + port), host + port);
    }
  });

  it('53: refuses bytes that no name has, empty labels, and more than a port behind the colon', () => {
    for (let b = 0; b < 256; b++) {
      const c = String.fromCharCode(b);
      if (/[-\w.~!$&'()*+;=:]/.test(c)) continue;
      assert.equal(valid(`a${c}b`), false, `byte ${b}`);
      assert.equal(valid(c), false, `byte ${b}`);
      assert.equal(valid(`${c}a`), false, `byte ${b}`);
    }
    const others = ['', '.', '..', '.a', 'a..b', 'a..', ':', ':80', 'a:65536', 'a:999999', 'a:+1', 'a:8 0', 'a:80:80'];
    for (const host of [...others, 'a::80', 'a:b', '4713::abcd:8001']) assert.equal(valid(host), false, host);
  });

  it('53: a host that ends in a number is an IPv4 address in its one spelling', () => {
    for (const host of ['127.0.0.1', '0.0.0.0', '255.255.255.255', '10.0.0.1.', '10.0.0.1:80', '10.0.0.1.:80']) {
      assert.ok(valid(host), host);
    }
    const others = [
      '127.1',
      '127.0.0.01',
      '127.01.0.1',
      '017700000001',
      '2130706433',
      '0x7f.1',
      '0x7f000001',
      '0x',
      '0X1',
    ];
    for (const host of [...others, '256.0.0.1', '1.2.3.4.5', '1.2.3', 'a.1', 'a.0x1f', 'a.1.', '1', '00.0.0.0']) {
      assert.equal(valid(host), false, host);
    }
  });

  it('53: takes IPv6 literals that are addresses', () => {
    for (const host of ['[::1]', '[::]', '[2001:DB8::a]', '[::ffff:10.0.0.1]', '[1:2:3:4:5:6:7:8]']) {
      for (const port of ['', ':', ':80']) assert.ok(valid(host + port), host + port);
    }
    const others = [
      '[]',
      '[',
      ']',
      '[::1',
      '::1]',
      '[::1]]',
      '[[::1]]',
      '[::1]80',
      '[::1].a',
      '[1::2::3]',
      '[:::]',
      '[g::]',
    ];
    for (const host of [...others, '[fe80::1%eth0]', '[fe80::1%251]', '[v1.x]', '[1.2.3.4]', '[::1,]', '[::1]:65536']) {
      assert.equal(valid(host), false, host);
    }
  });
});

describe('isSameHost', () => {
  it('53: knows that case and the default port make no difference', () => {
    for (const [a, b, port] of [
      ['a', 'A', 80],
      ['a', 'a:80', 80],
      ['a:', 'a', 80],
      ['a:080', 'a:80', 80],
      ['a', 'a:443', 443],
      ['[::A]', '[::a]:80', 80],
      ['a:81', 'A:81', 80],
    ] as const) {
      assert.ok(isSameHost(a, b, port), `${a} ${b}`);
      assert.ok(isSameHost(b, a, port), `${b} ${a}`);
    }
  });

  it('53: tells others apart', () => {
    for (const [a, b, port] of [
      ['a', 'b', 80],
      ['a', 'a:81', 80],
      ['a', 'a:80', 443],
      ['a', 'a.', 80],
      ['[::1]', '[::1]:1', 80],
      ['[::1]', '[::2]', 80],
    ] as const) {
      assert.equal(isSameHost(a, b, port), false, `${a} ${b}`);
    }
  });
});
