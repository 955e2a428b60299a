import { fileURLToPath } from 'node:url';
import type { ProxyKind } from './proxy-kind.ts';

/** Bytes piped by node:net and nothing parsed: the least that a proxy on Node can cost. */
export const floor: ProxyKind = {
  name: 'floor',
  setup: 'node:net, bytes piped, nothing parsed, no session',
  cookie: null,
  binding: 'connection',
  find: async () => ({ version: `node ${process.versions.node}` }),
  async prepare({ port, backends }) {
    const script = fileURLToPath(new URL('../floor.ts', import.meta.url));
    return [process.execPath, script, String(port), ...backends.map((backend) => String(backend.port))];
  },
};
