// A server that counts the requests of each session in its memory, and copies every count to one other server before it
// answers: node server.ts ID PORT COPY_TO BOOT
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';

const [id = 'x', port = '0', copyTo = '0', boots = '0'] = process.argv.slice(2);
const counts = new Map<string, number>();
const boot = randomUUID();

createServer((asked, response) => {
  asked.on('error', () => {});
  asked.resume().on('end', () => void answer(asked, response));
}).listen(Number(port), '127.0.0.1', () => process.send?.('listens'));
// When the test ends, so does this.
process.on('disconnect', () => process.exit());

async function answer(asked: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(asked.url ?? '/', 'http://x');
  if (boots === '1') response.setHeader('Limpet-Backend', `boot="${boot}"`);
  if (pathname === '/healthz') return void response.end('ok');
  if (pathname === '/copies') {
    // One that comes late, after a pause, brings nothing back that is over.
    const session = searchParams.get('session')!;
    counts.set(session, Math.max(counts.get(session) ?? 0, Number(searchParams.get('count'))));
    return void response.writeHead(204).end();
  }
  const session = String(asked.headers['limpet-session'] ?? '');
  const count = (counts.get(session) ?? 0) + 1;
  counts.set(session, count);
  await copy(session, count);
  response.setHeader('X-Backend', id);
  response.end(JSON.stringify({ count, moved: asked.headers['limpet-session-moved'] ?? null }));
}

/** A server that is away gets no copies. */
function copy(session: string, count: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const path = `/copies?session=${session}&count=${count}`;
  const sent = request({ host: '127.0.0.1', port: Number(copyTo), path, agent: false, timeout: 1_000 }, (answered) => {
    answered.resume().on('close', resolve);
  });
  sent.on('timeout', () => sent.destroy());
  sent.on('error', () => resolve());
  sent.end();
  return promise;
}
