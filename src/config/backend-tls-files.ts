import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { KeyPath } from './config-error.ts';
import { whyUnreadable } from './files.ts';
import type { Config, PoolConfig } from './schema.ts';

/** What the files of `pools.NAME.tls` hold, as PEM text; null: none is named. */
export interface BackendTlsFiles {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

type Problem = (key: 'ca' | 'cert' | 'key', message: string) => void;

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * Reads the files of a pool's `tls` and checks that they hold what they are meant to hold, and fit each other. Each mistake goes to
 * `problem`, with what to do; a certificate that is out of date to `warning`, as clocks differ.
 * @returns null: there was a problem
 */
export function readBackendTlsFiles(
  tls: PoolConfig['tls'],
  problem: Problem,
  warning: Problem = () => {},
): BackendTlsFiles | null {
  let good = true;
  const wrong: Problem = (key, message) => {
    good = false;
    problem(key, message);
  };
  const ca = read('ca', tls.ca, wrong);
  const cert = read('cert', tls.cert, wrong);
  const key = read('key', tls.key, wrong);
  if (ca !== null) certificatesOf('ca', tls.ca!, ca, wrong, warning);
  const shown = cert === null ? null : certificatesOf('cert', tls.cert!, cert, wrong, warning);
  const secret = key === null ? null : keyOf(tls.key!, key, wrong);
  if (shown !== null && secret !== null && !shown.checkPrivateKey(secret)) {
    wrong('key', `${tls.key} is not the key of ${tls.cert}: name the two that were made together`);
  }
  return good ? { ca, cert, key } : null;
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

function read(key: 'ca' | 'cert' | 'key', file: string | null, wrong: Problem): string | null {
  if (file === null) return null;
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    wrong(key, `cannot read ${file}: ${whyUnreadable(error)}`);
    return null;
  }
}

/** The first certificate of a file; null: it has none that can be read. */
function certificatesOf(
  key: 'ca' | 'cert',
  file: string,
  text: string,
  wrong: Problem,
  warning: Problem,
): X509Certificate | null {
  const blocks = text.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) {
    wrong(key, `${file} holds no certificate: name a PEM file with -----BEGIN CERTIFICATE-----`);
    return null;
  }
  const found: X509Certificate[] = [];
  for (const [index, block] of blocks.entries()) {
    try {
      found.push(new X509Certificate(block));
    } catch (error) {
      wrong(key, `certificate ${index + 1} of ${file} cannot be read: ${(error as Error).message}`);
      return null;
    }
  }
  const late = found.find(({ validToDate }) => validToDate.getTime() < Date.now());
  if (late !== undefined) warning(key, `${file} holds a certificate that has expired on ${late.validTo}: renew it`);
  return found[0]!;
}

function keyOf(file: string, text: string, wrong: Problem): KeyObject | null {
  try {
    return createPrivateKey(text);
  } catch (error) {
    const encrypted = (error as NodeJS.ErrnoException).code === 'ERR_MISSING_PASSPHRASE' || /ENCRYPTED/.test(text);
    wrong(
      'key',
      encrypted
        ? `${file} is encrypted and limpet has no passphrase: take it off with openssl pkey -in ${file}`
        : `${file} holds no private key that can be read (${(error as Error).message}): name a PEM file`,
    );
    return null;
  }
}
