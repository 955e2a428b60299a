import { statSync } from 'node:fs';
import type { Config } from '../config/schema.ts';
import { loadSecrets } from '../keys/secrets.ts';
import { CliError } from './cli-error.ts';
import { printWarning } from './output.ts';

/**
 * The secrets that a limpet with this configuration signs its cookies with: those of `sessions.secretFile`, or the one
 * that it keeps beside the snapshot. Nothing is made here.
 * @throws CliError when there is none that outlives a process
 * @throws StartError when the file cannot be used
 */
export function cookieSecrets({ sessions }: Config): readonly Uint8Array[] {
  const { secretFile, snapshot, store } = sessions;
  if (secretFile === null && store === 'redis')
    throw new CliError(
      'the secret of these nodes is in Redis, where this command does not look: set sessions.secretFile',
      1,
    );
  if (secretFile === null && snapshot === null)
    throw new CliError(
      'limpet makes a secret of its own at each start here, which nobody else knows: set sessions.secretFile, or sessions.snapshot, beside which it is kept',
      1,
    );
  if (secretFile === null && statSync(`${snapshot}.secret`, { throwIfNoEntry: false }) === undefined)
    throw new CliError(`no secret is kept in ${snapshot}.secret: it is made when limpet starts`, 1);
  const { secrets, warning } = loadSecrets(secretFile, snapshot);
  if (warning !== null) printWarning(warning);
  return secrets;
}
