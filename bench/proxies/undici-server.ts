/**
 * A sticky proxy written by hand: node:http in front, undici behind, as a team would that wants no library between
 * them.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { Pool } from 'undici';
import { LearnedSessions } from './learned-sessions.ts';
import { scriptSetting, serve } from './script-setting.ts';

const setting = scriptSetting();
const pools = setting.backendPorts.map((port) => new Pool(`http://127.0.0.1:${port}`, { connections: 256 }));
const sessions = new LearnedSessions(pools);

/** Headers that concern one connection (RFC 9110, section 7.6.1). */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'transfer-encoding', 'upgrade']);

function onward(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const kept: IncomingHttpHeaders = {};
  for (const name in headers) if (!HOP_BY_HOP.has(name)) kept[name] = headers[name];
  return kept;
}

serve(setting, (request, response) => {
  const pool = sessions.targetOf(request.headers.cookie);
  const { method = 'GET', url: path = '/' } = request;
  const body = method === 'GET' || method === 'HEAD' ? null : request;
  pool
    .stream({ method, path, headers: onward(request.headers), body }, ({ statusCode, headers }) => {
      sessions.learn(headers['set-cookie'], pool);
      response.writeHead(statusCode, onward(headers));
      return response;
    })
    .catch((error: Error) => {
      if (!response.headersSent) response.writeHead(502);
      response.end(error.message);
    });
});
