import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { KeyPath } from './config-error.ts';
import { whyUnreadable } from './files.ts';
import type { ListenerConfig } from './schema.ts';

/** A certificate with its chain and its key, as PEM. */
export interface TlsCertificate {
  readonly cert: string;
  readonly key: string;
  /** Host names that it is for, in lower case; some begin with `*.`. */
  readonly names: readonly string[];
}

/** What the files of a listener's `tls` hold. Plain data: it goes to every worker, so that all of them have read the same. */
export interface TlsMaterial {
  /** Never empty; the first one is the default. */
  readonly certificates: readonly TlsCertificate[];
  readonly clientCa: string | null;
}

/** Where what is wrong with the files goes. */
export interface TlsReport {
  error(path: KeyPath, message: string): void;
  warn(path: KeyPath, message: string): void;
}

const PEM_CERTIFICATE =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

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
  const clientCa = tls.clientCa === null ? null : readAuthorities(tls.clientCa, [...at, 'clientCa'], report);
  if (clientCa === undefined) return null;
  const usable = certificates.filter((certificate) => certificate !== null);
  return usable.length < certificates.length ? null : { certificates: usable, clientCa };
}

function readCertificate(certFile: string, keyFile: string, at: KeyPath, report: TlsReport): TlsCertificate | null {
  const cert = readText(certFile, [...at, 'cert'], report);
  const key = readText(keyFile, [...at, 'key'], report);
  const leaf = cert === null ? null : parseCertificate(cert, certFile, [...at, 'cert'], report);
  const secret = key === null ? null : parseKey(key, keyFile, [...at, 'key'], report);
  if (cert === null || key === null || leaf === null || secret === null) return null;
  if (!leaf.checkPrivateKey(secret)) {
    const other = blocks(cert).some((block) => parsed(block)?.checkPrivateKey(secret) === true);
    report.error(
      [...at, 'key'],
      other
        ? `${keyFile} fits a later certificate of ${certFile}: put the server's own certificate first and its chain behind it`
        : `${keyFile} is not the key of ${certFile}: name the key that the certificate was made with`,
    );
    return null;
  }
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    report.error([...at, 'cert'], `${certFile} cannot be used with ${keyFile}: ${(error as Error).message}`);
    return null;
  }
  warnOfDates(leaf, certFile, [...at, 'cert'], report);
  return { cert, key, names: namesOf(leaf) };
}

/** Null: no file was wanted; undefined: it is no good. */
function readAuthorities(file: string, at: KeyPath, report: TlsReport): string | undefined {
  const text = readText(file, at, report);
  if (text === null) return undefined;
  const found = blocks(text);
  if (found.length === 0) {
    report.error(at, `${file} holds no certificate: name a PEM file of the authorities that sign client certificates`);
    return undefined;
  }
  for (const [nth, block] of found.entries()) {
    const authority = parsed(block);
    if (authority === null) {
      report.error(at, `certificate ${nth + 1} of ${file} cannot be read: export it anew as PEM`);
      return undefined;
    }
    warnOfDates(authority, file, at, report);
  }
  return text;
}

function readText(file: string, at: KeyPath, report: TlsReport): string | null {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    report.error(at, `cannot read ${file}: ${whyUnreadable(error)}`);
    return null;
  }
}

function parseCertificate(text: string, file: string, at: KeyPath, report: TlsReport): X509Certificate | null {
  const certificate = parsed(text);
  if (certificate === null)
    report.error(at, `${file} holds no certificate: name a PEM file that begins with the server's certificate`);
  return certificate;
}

function parseKey(text: string, file: string, at: KeyPath, report: TlsReport): KeyObject | null {
  try {
    return createPrivateKey(text);
  } catch {
    report.error(
      at,
      /ENCRYPTED/.test(text)
        ? `${file} is encrypted, and nobody is there to type its passphrase: write it out plain with openssl pkey, readable by this user only`
        : `${file} holds no private key: name the PEM file of the certificate's key`,
    );
    return null;
  }
}

function warnOfDates(certificate: X509Certificate, file: string, at: KeyPath, report: TlsReport): void {
  const now = Date.now();
  const { validFromDate, validToDate } = certificate;
  if (validToDate.getTime() < now) {
    report.warn(at, `${file} expired on ${validToDate.toISOString()}: clients refuse it, renew it and reload`);
  } else if (validFromDate.getTime() > now) {
    report.warn(at, `${file} is not valid before ${validFromDate.toISOString()}: clients refuse it until then`);
  }
}

function blocks(text: string): readonly string[] {
  return text.match(PEM_CERTIFICATE) ?? [];
}

function parsed(text: string): X509Certificate | null {
  try {
    return new X509Certificate(text);
  } catch {
    return null;
  }
}

/** DNS names of the certificate; its common name only where it has none (RFC 9525 has no more use for that, old certificates do). */
function namesOf(certificate: X509Certificate): string[] {
  const listed = certificate.subjectAltName ?? '';
  const names = [...listed.matchAll(/(?:^|, )DNS:([^\s,"]+)/g)].map((match) => match[1]!.toLowerCase());
  if (names.length > 0) return names;
  const common = /^CN=(\S+)$/m.exec(certificate.subject)?.[1];
  return common === undefined ? [] : [common.toLowerCase()];
}
