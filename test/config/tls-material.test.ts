import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, test } from 'node:test';
import { formatConfigError } from '../../src/config/config-error.ts';
import { parseConfig } from '../../src/config/load.ts';
import { Certificates, days } from '../support/certificates.ts';

const made = new Certificates();
after(() => made.remove());
const good = made.make('good', { names: ['good.example'] });
const other = made.make('other');

/**
 * What is said about a configuration with this `tls`, relative to the folder of the certificates: errors, then
 * warnings.
 */
function said(tls: string): string {
  const text = `listeners: [{ bind: "127.0.0.1:0", tls: { ${tls} } }]\npools: { p: { backends: [{ id: a, url: "http://127.0.0.1:9" }] } }\n`;
  const loaded = parseConfig(text, made.path('limpet.yaml'));
  assert.ok(!('errors' in loaded), 'errors' in loaded ? loaded.errors.map(formatConfigError).join('\n') : '');
  const lines = [...loaded.unreadable.map(formatConfigError), ...loaded.warnings];
  return lines.map((line) => line.replaceAll(`${made.directory}/`, '').replace(/^limpet\.yaml:1:\d+: /, '')).join('\n');
}

const pair = (cert: string, key: string): string => `certificates: [{ cert: ${cert}, key: ${key} }]`;

test('certificates and keys that fit are fine, wherever the file that names them is', () => {
  assert.equal(said(pair('good.pem', 'good.key')), '');
  assert.equal(said(`${pair('good.pem', 'good.key')}, clientCa: other.pem`), '');
});

test('files that are missing, empty, swapped or of different pairs are named with what to do', () => {
  made.write('empty.pem', '');
  made.write('chain.pem', other.certPem + good.certPem);
  assert.match(
    said(pair('none.pem', 'good.key')),
    /^listeners\[0\]\.tls\.certificates\[0\]\.cert: cannot read none\.pem: there is no such file/,
  );
  assert.match(
    said(pair('good.pem', 'none.key')),
    /^listeners\[0\]\.tls\.certificates\[0\]\.key: cannot read none\.key: /,
  );
  assert.match(said(pair('empty.pem', 'good.key')), /\.cert: empty\.pem holds no certificate: name a PEM file/);
  assert.match(said(pair('good.pem', 'good.pem')), /\.key: good\.pem holds no private key: /);
  assert.match(said(pair('good.pem', 'other.key')), /\.key: other\.key is not the key of good\.pem: /);
  assert.match(
    said(pair('chain.pem', 'good.key')),
    /fits a later certificate of chain\.pem: put the one it was made for first/,
  );
  assert.match(
    said(`${pair('good.pem', 'good.key')}, clientCa: good.key`),
    /^listeners\[0\]\.tls\.clientCa: good\.key holds no/,
  );
  rmSync(made.path('empty.pem'));
});

test('an encrypted key is an error that says how to decrypt it', () => {
  made.encrypted('secret.key', good);
  assert.match(said(pair('good.pem', 'secret.key')), /\.key: secret\.key is encrypted, .*openssl pkey/);
});

test('a certificate that has expired, or is not valid yet, is a warning', () => {
  made.make('late', { from: days(-10), to: days(-1) });
  made.make('early', { from: days(1), to: days(10) });
  assert.match(
    said(pair('late.pem', 'late.key')),
    /\.cert: late\.pem expired on .*: it is refused from then on, renew it and reload$/,
  );
  assert.match(said(pair('early.pem', 'early.key')), /\.cert: early\.pem is not valid before /);
});

test('the files of TLS to the backends are read in the same way, with the same messages', () => {
  const of = (tls: string): string => {
    const text = `listeners: [{ bind: "127.0.0.1:0" }]\npools: { p: { backends: [{ id: a, url: "https://127.0.0.1:9" }], tls: { ${tls} } } }\n`;
    const loaded = parseConfig(text, made.path('limpet.yaml'));
    assert.ok(!('errors' in loaded), 'errors' in loaded ? loaded.errors.map(formatConfigError).join('\n') : '');
    const lines = [...loaded.unreadable.map(formatConfigError), ...loaded.warnings];
    return lines
      .map((line) => line.replaceAll(`${made.directory}/`, '').replace(/^limpet\.yaml:2:\d+: /, ''))
      .join('\n');
  };
  assert.equal(of('ca: other.pem, cert: good.pem, key: good.key'), '');
  made.make('late', { from: days(-10), to: days(-1) });
  made.encrypted('secret.key', good);
  const rest = (line: string): string => line.slice(line.indexOf(': '));
  for (const [cert, key] of [
    ['none.pem', 'good.key'],
    ['good.pem', 'none.key'],
    ['good.key', 'good.key'],
    ['good.pem', 'good.pem'],
    ['good.pem', 'other.key'],
    ['good.pem', 'secret.key'],
    ['late.pem', 'late.key'],
  ] as const) {
    const [to, front] = [of(`cert: ${cert}, key: ${key}`), said(pair(cert, key))];
    assert.match(to, /^pools\.p\.tls\.(?:cert|key): /);
    assert.equal(rest(to), rest(front));
  }
  made.write('half.pem', `${good.certPem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`);
  assert.equal(of('ca: half.pem'), 'pools.p.tls.ca: certificate 2 of half.pem cannot be read: export it anew as PEM');
  assert.match(of('ca: good.key'), /^pools\.p\.tls\.ca: good\.key holds no certificate: /);
});
