import type { KeyPath } from './config-error.ts';
import { type PemReport, readAuthorities, readPair } from './pem-files.ts';
import type { Config, PoolConfig } from './schema.ts';

/** What the files of `pools.NAME.tls` hold, as PEM text; null: none is named. */
export interface BackendTlsFiles {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

type Problem = (key: 'ca' | 'cert' | 'key', message: string) => void;

const AUTHORITIES = "the authorities that sign the backends' certificates";

/**
 * Reads the files of a pool's `tls` and checks that they hold what they are meant to hold, and fit each other. Each
 * mistake goes to `problem`, with what to do; a certificate that is out of date to `warning`, as clocks differ.
 * @returns null: there was a problem
 */
export function readBackendTlsFiles(
  tls: PoolConfig['tls'],
  problem: Problem,
  warning: Problem = () => {},
): BackendTlsFiles | null {
  const report = (key: 'ca' | 'cert' | 'key'): PemReport => ({
    error: (message) => problem(key, message),
    warn: (message) => warning(key, message),
  });
  const { ca, cert, key } = tls;
  const authorities = ca === null ? null : readAuthorities(ca, AUTHORITIES, report('ca'));
  // A certificate without a key, and the other way round, is refused before any file is read.
  const shown =
    cert === null || key === null ? null : readPair({ cert, key }, { cert: report('cert'), key: report('key') });
  const bad = (ca !== null && authorities === null) || (cert !== null && key !== null && shown === null);
  return bad ? null : { ca: authorities, cert: shown?.cert ?? null, key: shown?.key ?? null };
}

/** Calls `report` for every file of `pools.*.tls` that limpet cannot speak to the backends with. */
export function findBadBackendTls(
  config: Config,
  report: (path: KeyPath, message: string) => void,
  warn: (path: KeyPath, message: string) => void,
): void {
  for (const [name, { tls }] of Object.entries(config.pools)) {
    const at = (to: typeof report): Problem => {
      return (key, message) => to(['pools', name, 'tls', key], message);
    };
    readBackendTlsFiles(tls, at(report), at(warn));
  }
}
