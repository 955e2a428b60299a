// A server on a unix socket with room for few connections that wait, see full-backlog.test.ts.
import { createServer } from 'node:http';

createServer((_, response) => response.writeHead(200, { 'X-Backend': 'a', Connection: 'close' }).end('ok')).listen(
  { path: process.argv[2], backlog: 4 },
  () => process.stdout.write('listens'),
);
