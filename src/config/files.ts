import { accessSync, constants, statSync } from 'node:fs';
import type { KeyPath } from './config-error.ts';
import type { Config } from './schema.ts';

/** Calls `report` for every file that the configuration names and that cannot be read. */
export function findUnreadable(config: Config, report: (path: KeyPath, message: string) => void): void {
  for (const [path, file] of filesOf(config)) {
    try {
      if (statSync(file).isDirectory()) report(path, `${file} is a directory: name a file`);
      accessSync(file, constants.R_OK);
    } catch (error) {
      report(path, `cannot read ${file}: ${whyUnreadable(error)}`);
    }
  }
}

/** What a failed file operation means, and what to do. */
export function whyUnreadable(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such file: create it, or correct the path';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied: let this user read it';
    case 'EISDIR':
      return 'it is a directory: name a file';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

function* filesOf(config: Config): Generator<[KeyPath, string]> {
  if (config.sessions.secretFile !== null) yield [['sessions', 'secretFile'], config.sessions.secretFile];
  if (config.admin.tokenFile !== null) yield [['admin', 'tokenFile'], config.admin.tokenFile];
  for (const [name, { affinity }] of Object.entries(config.pools)) {
    for (const [index, strategy] of affinity.entries()) {
      const file = strategy.by === 'token' ? strategy.verify?.publicKeyFile : null;
      if (file) yield [['pools', name, 'affinity', index, 'verify', 'publicKeyFile'], file];
    }
  }
}
