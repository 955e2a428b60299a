import { readFileSync } from 'node:fs';
import type { RequestListener, Server } from 'node:http';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';

/** What the scripts of the libraries are started with, as JSON in their first argument. */
export interface ScriptSetting {
  readonly port: number;
  readonly backendPorts: readonly number[];
  /** Paths of PEM files; null: plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
}

/** Reads the setting of a script from its command line. */
export function scriptSetting(): ScriptSetting {
  return JSON.parse(process.argv[2]!) as ScriptSetting;
}

/** Key and certificate as Node takes them. */
export function credentials(tls: NonNullable<ScriptSetting['tls']>): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(tls.cert), key: readFileSync(tls.key) };
}

/** node:http or node:https in front, on the port of the setting. */
export function serve({ port, tls }: ScriptSetting, listener: RequestListener): Server {
  const server = tls === null ? createServer(listener) : createSecureServer(credentials(tls), listener);
  return server.listen(port, '127.0.0.1', 1024);
}
