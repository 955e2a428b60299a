import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigFile } from '../support/config-file.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { startLimpetProcess } from '../support/limpet.ts';
import { isWhole, RawClient } from '../support/raw-client.ts';

test('44: an open connection goes by the new limits and the new trusted proxies from its next request on', async (t) => {
  const backend = await new HttpBackend('a').start();
  t.after(() => backend.stop());
  const limits = (headers: number): string => `listeners: [{ bind: "127.0.0.1:0", limits: { headers: ${headers} } }]`;
  const limpet = await startLimpetProcess(
    `${limits(100)}\ntrustedProxies: []\nworkers: 1\npools: { p: { backends: [{ id: a, url: "${backend.url}" }] } }\n`,
  );
  t.after(limpet.stop);
  const file = new ConfigFile(limpet);
  const client = await RawClient.open(limpet.port);
  t.after(() => client.close());
  const request = async (): Promise<string> => {
    client.text = '';
    client.send('GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\r\n');
    return client.until(isWhole, 20_000);
  };
  const forwarded = async (): Promise<string> => {
    assert.match(await request(), /^HTTP\/1\.1 200 /);
    const { headers } = backend.seen.at(-1)!;
    return `${String(headers['x-forwarded-for'])} ${String(headers['x-forwarded-proto'])}`;
  };

  assert.equal(await forwarded(), '127.0.0.1 http');
  file.replace('trustedProxies: []', 'trustedProxies: ["127.0.0.0/8"]');
  await file.reload('api');
  assert.equal(await forwarded(), '192.0.2.7, 127.0.0.1 https');
  file.replace('trustedProxies: ["127.0.0.0/8"]', 'trustedProxies: []');
  await file.reload('signal');
  assert.equal(await forwarded(), '127.0.0.1 http', 'what was believed before is forgotten');
  file.replace(limits(100), limits(2));
  await file.reload('api');
  assert.match(await request(), /^HTTP\/1\.1 431 /);
});
