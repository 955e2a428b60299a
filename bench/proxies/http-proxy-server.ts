/**
 * A sticky proxy with http-proxy as its users write it, with a keep-alive agent; the second argument names the library,
 * because http-proxy-3 has the same API.
 */
import { Agent, type IncomingMessage } from 'node:http';
import type httpProxy from 'http-proxy';
import { LearnedSessions } from './learned-sessions.ts';
import { scriptSetting, serve } from './script-setting.ts';

interface Target {
  readonly protocol: 'http:';
  readonly host: string;
  readonly hostname: string;
  readonly port: string;
}

const setting = scriptSetting();
const library = (await import(process.argv[3]!)) as { default: typeof httpProxy } & typeof httpProxy;
const createProxyServer = library.createProxyServer ?? library.default.createProxyServer;
// Objects, because http-proxy parses a target that is a string anew at each request.
const targets = setting.backendPorts.map((port): Target => {
  return { protocol: 'http:', host: `127.0.0.1:${port}`, hostname: '127.0.0.1', port: String(port) };
});
const sessions = new LearnedSessions(targets);
const chosen = new WeakMap<IncomingMessage, Target>();

const proxy = createProxyServer({ agent: new Agent({ keepAlive: true, maxFreeSockets: 1024 }) });

proxy.on('proxyRes', (answer, request) => {
  const target = chosen.get(request);
  if (target !== undefined) sessions.learn(answer.headers['set-cookie'], target);
});

proxy.on('error', (error, _request, response) => {
  if (response !== undefined && 'writeHead' in response && !response.headersSent) response.writeHead(502);
  response?.end(error.message);
});

function targetOf(request: IncomingMessage): Target {
  const target = sessions.targetOf(request.headers.cookie);
  chosen.set(request, target);
  return target;
}

const server = serve(setting, (request, response) => proxy.web(request, response, { target: targetOf(request) }));
server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head, { target: targetOf(request) }));
