import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { ProxyKind } from './proxy-kind.ts';

const SCRIPT = fileURLToPath(new URL('../floor.ts', import.meta.url));

/** Bytes piped by node:net and nothing parsed: the least that a proxy on Node can cost. */
export const floor: ProxyKind = {
  name: 'floor',
  setup: 'node:net, bytes piped, nothing parsed, no session',
  cookies: [],
  binding: 'connection',
  find: async () => ({ version: `node ${process.versions.node}` }),
  cannot({ tls, token, resident, redis, accessLog, workers, failover }) {
    const more = tls || token || resident > 0 || redis || accessLog || workers > 1 || failover;
    return more ? 'it only pipes bytes' : null;
  },
  async prepare({ port, backends }) {
    const command = [process.execPath, SCRIPT, String(port), ...backends.map((backend) => String(backend.port))];
    return { command, configuration: await readFile(SCRIPT, 'utf8') };
  },
};
