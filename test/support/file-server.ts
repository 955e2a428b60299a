// Serves one file whose bytes the test knows, in a process of its own that can be killed: node file-server.ts ID PORT
// `?stop=N`: the server `a` sends no more than N bytes of an answer, and then nothing.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerFile } from './file-answer.ts';
import { patternFile } from './pattern-file.ts';

const [id = 'x', port = '0'] = process.argv.slice(2);
const bytes = patternFile();

const server = createServer((request, response) => {
  request.on('error', () => {});
  const stop = new URL(request.url ?? '/', 'http://x').searchParams.get('stop');
  const most = id === 'a' && stop !== null ? { most: Number(stop), how: 'stall' as const } : {};
  answerFile(request, response, { bytes, etag: '"same"', ...most });
});
server.listen(Number(port), '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit());
