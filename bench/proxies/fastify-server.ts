/** A sticky proxy with @fastify/http-proxy, which forwards with undici. */
import { fastifyHttpProxy } from '@fastify/http-proxy';
import fastify from 'fastify';
import { LearnedSessions } from './learned-sessions.ts';
import { credentials, scriptSetting } from './script-setting.ts';

const { port, backendPorts, tls } = scriptSetting();
const sessions = new LearnedSessions(backendPorts.map((backendPort) => `http://127.0.0.1:${backendPort}`));
const chosen = new WeakMap<object, string>();

const https = tls === null ? null : credentials(tls);
const server = fastify({ https, logger: false, bodyLimit: 2 ** 30, keepAliveTimeout: 60_000 });
await server.register(fastifyHttpProxy, {
  upstream: '',
  undici: { connections: 256, pipelining: 1 },
  replyOptions: {
    getUpstream(request) {
      const upstream = sessions.targetOf(request.headers.cookie);
      chosen.set(request.raw, upstream);
      return upstream;
    },
    rewriteHeaders(headers, request) {
      const upstream = chosen.get(request?.raw ?? {});
      if (upstream !== undefined) sessions.learn(headers['set-cookie'], upstream);
      return headers;
    },
  },
});
await server.listen({ port, host: '127.0.0.1', backlog: 1024 });
