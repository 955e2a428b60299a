// Takes and gives bodies too large for any memory, in a process of its own: node large-body-server.ts ID PORT
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { crc32 } from 'node:zlib';
import { LargeBody } from './large-body.ts';

const [, port = '0'] = process.argv.slice(2);
/** Of the body that was sent last. */
let given = { bytes: 0, crc: 0 };

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://x');
  const json = (value: object): void => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(value));
  };
  request.on('error', () => {});
  if (url.pathname === '/given') return json(given);
  if (url.pathname === '/down') {
    const body = new LargeBody(Number(url.searchParams.get('bytes')));
    if (url.searchParams.get('chunked') === null) response.setHeader('Content-Length', body.length);
    body.pipe(response);
    body.on('end', () => {
      given = { bytes: body.length, crc: body.crc };
    });
    return;
  }
  let [bytes, crc] = [0, 0];
  let slept = false;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    crc = crc32(chunk, crc);
    // Once, it does not read for a while: whoever goes on reading from the client has to keep it all.
    if (slept || bytes < LargeBody.SLEEP_AT) return;
    slept = true;
    request.pause();
    setTimeout(() => request.resume(), LargeBody.SLEEP_MS);
  });
  request.on('end', () => json({ bytes, crc }));
});
server.requestTimeout = 0;
server.listen(Number(port), '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit());
