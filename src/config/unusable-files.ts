import { lstatSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseBind } from './bind.ts';
import type { KeyPath } from './config-error.ts';
import { readPublicKeyFile } from './public-key-file.ts';
import type { Config } from './schema.ts';
import { readSecretFile } from './secret-file.ts';
import { strategyFiles } from './strategy-places.ts';
import { readTokenFile } from './token-file.ts';

/**
 * Calls `report` for every file whose content limpet would not start with, and for every unix socket that could not be
 * made, in the words of the start: both go by the same functions. What holds by the time of a start only, such as an
 * address in use, is left out.
 */
export function findUnusableFiles(config: Config, report: (path: KeyPath, message: string) => void): void {
  const { sessions, admin, pools, listeners } = config;
  if (sessions.secretFile !== null) refuse(['sessions', 'secretFile'], readSecretFile(sessions.secretFile));
  else if (sessions.snapshot !== null && isThere(`${sessions.snapshot}.secret`))
    refuse(['sessions', 'snapshot'], readSecretFile(`${sessions.snapshot}.secret`));
  if (admin.tokenFile !== null) refuse(['admin', 'tokenFile'], readTokenFile(admin.tokenFile));
  for (const [name, { affinity }] of Object.entries(pools)) {
    for (const [index, strategy] of affinity.entries()) {
      for (const { place, file } of strategyFiles(strategy))
        refuse(['pools', name, 'affinity', index, ...place], readPublicKeyFile(file));
    }
  }
  for (const [index, { bind }] of listeners.entries()) checkSocket(['listeners', index, 'bind'], bind);
  if (admin.bind !== null) checkSocket(['admin', 'bind'], admin.bind);

  function refuse(path: KeyPath, read: object): void {
    if ('error' in read) report(path, String(read.error));
  }

  function checkSocket(path: KeyPath, text: string): void {
    const bind = parseBind(text);
    if ('error' in bind || bind.kind !== 'unix') return;
    if (statSync(dirname(bind.path), { throwIfNoEntry: false })?.isDirectory() !== true)
      report(path, `the folder of ${bind.path} is not there: make it first`);
    else if (lstatSync(bind.path, { throwIfNoEntry: false })?.isSocket() === false)
      report(path, `${bind.path} is there already and is not a socket: remove it or choose another path`);
  }
}

function isThere(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false }) !== undefined;
}
