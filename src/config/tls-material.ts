import type { X509Certificate } from 'node:crypto';
import type { KeyPath } from './config-error.ts';
import { type PemReport, readAuthorities, readPair } from './pem-files.ts';
import type { ListenerConfig } from './schema.ts';

/** A certificate with its chain and its key, as PEM. */
export interface TlsCertificate {
  readonly cert: string;
  readonly key: string;
  /** Host names that it is for, in lower case; some begin with `*.`. */
  readonly names: readonly string[];
}

/**
 * What the files of a listener's `tls` hold. Plain data: it goes to every worker, so that all of them have read the
 * same.
 */
export interface TlsMaterial {
  /** Never empty; the first one is the default. */
  readonly certificates: readonly TlsCertificate[];
  readonly clientCa: string | null;
}

/** Where what is wrong with the files goes. */
interface TlsReport {
  error(path: KeyPath, message: string): void;
  warn(path: KeyPath, message: string): void;
}

const AUTHORITIES = 'the authorities that sign client certificates';

/**
 * Reads the files of a listener's `tls` and checks that they can be used together.
 * @param at path of the section, for messages
 * @returns null when something is wrong; `report` has been told all of it
 */
export function readTlsMaterial(
  tls: NonNullable<ListenerConfig['tls']>,
  at: KeyPath,
  report: TlsReport,
): TlsMaterial | null {
  const certificates = tls.certificates.map(({ cert, key }, index) =>
    readCertificate(cert, key, [...at, 'certificates', index], report),
  );
  const clientCa =
    tls.clientCa === null ? null : readAuthorities(tls.clientCa, AUTHORITIES, toFile([...at, 'clientCa'], report));
  const usable = certificates.filter((certificate) => certificate !== null);
  const good = usable.length === certificates.length && (clientCa !== null || tls.clientCa === null);
  return good ? { certificates: usable, clientCa } : null;
}

function readCertificate(cert: string, key: string, at: KeyPath, report: TlsReport): TlsCertificate | null {
  const files = readPair({ cert, key }, { cert: toFile([...at, 'cert'], report), key: toFile([...at, 'key'], report) });
  return files === null ? null : { cert: files.cert, key: files.key, names: namesOf(files.leaf) };
}

function toFile(at: KeyPath, report: TlsReport): PemReport {
  return { error: (message) => report.error(at, message), warn: (message) => report.warn(at, message) };
}

/**
 * DNS names of the certificate; its common name only where it has none (RFC 9525 has no more use for that, old
 * certificates do).
 */
function namesOf(certificate: X509Certificate): string[] {
  const listed = certificate.subjectAltName ?? '';
  const names = [...listed.matchAll(/(?:^|, )DNS:([^\s,"]+)/g)].map((match) => match[1]!.toLowerCase());
  if (names.length > 0) return names;
  const common = /^CN=(\S+)$/m.exec(certificate.subject)?.[1];
  return common === undefined ? [] : [common.toLowerCase()];
}
