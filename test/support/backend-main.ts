// A small application server in a process of its own, so that a test can SIGKILL or SIGSTOP it: node backend-main.ts ID
// PORT [BOOT-ID]
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const [id = 'x', port = '0', boot = ''] = process.argv.slice(2);
let served = 0;

const server = createServer((request, response) => {
  if (boot !== '') response.setHeader('Limpet-Backend', `boot=${boot}`);
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on('end', () => {
    const url = new URL(request.url ?? '/', 'http://x');
    if (url.pathname === '/healthz') return void response.end('ok');
    served++;
    const wait = Number(url.searchParams.get('wait') ?? 0);
    const answer = (): void => {
      response.setHeader('X-Backend', id);
      response.statusCode = Number(url.searchParams.get('status') ?? 200);
      response.setHeader('Content-Type', 'application/json');
      response.end(
        JSON.stringify({ id, served, bytes, method: request.method, url: request.url, headers: request.headers }),
      );
    };
    if (wait > 0) setTimeout(answer, wait);
    else answer();
  });
  request.on('error', () => {});
});
server.listen(Number(port), '127.0.0.1', () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
// When the test ends, so does this.
process.on('disconnect', () => process.exit());
