import assert from 'node:assert/strict';
import { connect, createServer, type LookupFunction } from 'node:net';
import { test } from 'node:test';
import { isRefusal } from '../../src/backends/is-refusal.ts';
import { BlackHole } from '../support/black-hole.ts';
import { freePort } from '../support/free-port.ts';

/**
 * Why a connect to a name with these addresses fails; null: it did not.
 * @param attemptMs what each address has
 */
function failure(port: number, addresses: readonly string[], attemptMs = 10_000): Promise<Error | null> {
  const lookup = ((_name, _options, done) =>
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )) as LookupFunction;
  return new Promise((resolve) => {
    const socket = connect({ host: 'backend.test', port, lookup, autoSelectFamilyAttemptTimeout: attemptMs });
    socket.once('connect', () => {
      socket.destroy();
      resolve(null);
    });
    socket.once('error', resolve);
    setTimeout(
      () => socket.destroy(Object.assign(new Error('too late'), { code: 'ETIMEDOUT' })),
      20 * attemptMs,
    ).unref();
  });
}

test('M1: a name with several addresses refuses when all of them do', async () => {
  const port = await freePort();
  const refused = await failure(port, ['127.0.0.1', '127.0.0.2']);
  assert.ok(refused instanceof AggregateError);
  assert.equal(isRefusal(refused), true);
  assert.equal(isRefusal((await failure(port, ['127.0.0.1']))!), true);
});

test('M1: one that does not answer has not refused', async (t) => {
  const hole = await BlackHole.open();
  t.after(() => hole.close());
  // Another address of this machine has the same port to itself.
  for (const addresses of [
    ['127.0.0.2', '127.0.0.1'],
    ['127.0.0.1', '127.0.0.2'],
  ])
    assert.equal(isRefusal((await failure(hole.port, addresses, 100))!), false, addresses.join(' '));
});

test('M1: one that accepts makes a connection', async (t) => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  assert.equal(await failure(port, ['127.0.0.2', '127.0.0.1']), null);
});

test('M1: a unix socket that is gone refuses; other failures say nothing', () => {
  const error = (code: string, syscall: string): Error => Object.assign(new Error(code), { code, syscall });
  assert.equal(isRefusal(error('ENOENT', 'connect')), true);
  for (const [code, syscall] of [
    ['ECONNRESET', 'read'],
    ['ECONNREFUSED', 'read'],
    ['ENOTFOUND', 'getaddrinfo'],
    ['EHOSTUNREACH', 'connect'],
    ['ENETUNREACH', 'connect'],
    ['ETIMEDOUT', 'connect'],
    ['EACCES', 'connect'],
  ] as const)
    assert.equal(isRefusal(error(code, syscall)), false, code);
});
