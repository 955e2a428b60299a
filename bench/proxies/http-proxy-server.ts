/**
 * A sticky proxy with http-proxy as its users write it: a keep-alive agent, a Map from session to target, learned from the
 * application's cookie. Arguments: the port, then the ports of the backends.
 */
import { Agent, createServer, type IncomingMessage } from 'node:http';
import httpProxy from 'http-proxy';
import { APPLICATION_COOKIE } from '../responder.ts';

interface Target {
  readonly protocol: 'http:';
  readonly host: string;
  readonly hostname: string;
  readonly port: string;
}

const [port, ...backendPorts] = process.argv.slice(2);
// Objects, because http-proxy parses a target that is a string anew at each request.
const targets = backendPorts.map((backendPort): Target => {
  return { protocol: 'http:', host: `127.0.0.1:${backendPort}`, hostname: '127.0.0.1', port: backendPort };
});
const sessions = new Map<string, Target>();
const chosen = new WeakMap<IncomingMessage, Target>();
const requestCookie = new RegExp(`(?:^|; )${APPLICATION_COOKIE}=([^;]*)`);
const responseCookie = new RegExp(`^${APPLICATION_COOKIE}=([^;]*)`);
let next = 0;

const proxy = httpProxy.createProxyServer({ agent: new Agent({ keepAlive: true, maxFreeSockets: 1024 }) });

proxy.on('proxyRes', (answer, request) => {
  for (const line of answer.headers['set-cookie'] ?? []) {
    const session = responseCookie.exec(line)?.[1];
    const target = chosen.get(request);
    if (session !== undefined && target !== undefined) sessions.set(session, target);
  }
});

proxy.on('error', (error, _request, response) => {
  if ('writeHead' in response && !response.headersSent) response.writeHead(502);
  response.end(error.message);
});

createServer((request, response) => {
  const session = requestCookie.exec(request.headers.cookie ?? '')?.[1];
  let target = session === undefined ? undefined : sessions.get(session);
  if (target === undefined) {
    target = targets[next++ % targets.length]!;
    chosen.set(request, target);
  }
  proxy.web(request, response, { target });
}).listen(Number(port), '127.0.0.1', 1024);
