import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { APPLICATION_COOKIE } from '../responder.ts';
import type { ProxyKind } from './proxy-kind.ts';

/** The library http-proxy with a keep-alive agent and a Map of sessions. */
export const httpProxyLibrary: ProxyKind = {
  name: 'http-proxy',
  setup: 'keep-alive agent, Map learned from the application cookie',
  cookie: APPLICATION_COOKIE,
  binding: 'first-response',
  async find() {
    try {
      const file = createRequire(import.meta.url).resolve('http-proxy/package.json');
      const { version } = JSON.parse(await readFile(file, 'utf8')) as { version: string };
      return { version };
    } catch {
      return { missing: 'http-proxy is not installed (npm install)' };
    }
  },
  async prepare({ port, backends }) {
    const script = fileURLToPath(new URL('./http-proxy-server.ts', import.meta.url));
    return [process.execPath, '--no-deprecation', script, String(port), ...backends.map((b) => String(b.port))];
  },
};
