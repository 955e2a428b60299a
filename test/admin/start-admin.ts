import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ControlPlane } from '../../src/admin/control-plane.ts';
import { AdminServer } from '../../src/admin/server.ts';
import type { Logger } from '../../src/logging/logger.ts';
import { FakeControlPlane } from './fake-control-plane.ts';

export interface StartOptions {
  readonly bind?: string;
  /** Content of the token file. */
  readonly token?: string;
}

/** Log lines as `[level, message, fields]`. */
export function noteLog(): { log: Logger; lines: [string, string, object][] } {
  const lines: [string, string, object][] = [];
  const note = (level: string) => (fields: object, message: string) => void lines.push([level, message, fields]);
  return { lines, log: { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') } };
}

/** A folder that goes when the test ends. */
export function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'limpet-admin-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** An admin server that closes when the test ends. */
export async function startAdmin<C extends ControlPlane = FakeControlPlane>(
  t: TestContext,
  options: StartOptions = {},
  control: C = new FakeControlPlane() as ControlPlane as C,
): Promise<{ server: AdminServer; address: string; control: C; lines: [string, string, object][] }> {
  const { log, lines } = noteLog();
  let tokenFile: string | null = null;
  if (options.token !== undefined) {
    tokenFile = join(folder(t), 'token');
    writeFileSync(tokenFile, options.token);
  }
  const server = await AdminServer.start({ bind: options.bind ?? '127.0.0.1:0', tokenFile }, control, log);
  t.after(() => server.close(0));
  return { server, address: server.address, control, lines };
}
