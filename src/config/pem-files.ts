import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { whyUnreadable } from './files.ts';

/** Where what is wrong with one PEM file goes: what it is and what to do, with the file's name. */
export interface PemReport {
  error(message: string): void;
  warn(message: string): void;
}

/** A certificate with its chain and its key, as PEM text. */
interface PemPair {
  readonly cert: string;
  readonly key: string;
  /** The first certificate of the file. */
  readonly leaf: X509Certificate;
}

const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/**
 * Reads a PEM file of authorities.
 * @param what they are, for the message when there is none
 * @returns its text; null: it is no good, and `report` has been told why
 */
export function readAuthorities(file: string, what: string, report: PemReport): string | null {
  const text = readText(file, report);
  return text === null || certificatesOf(text, file, what, report) === null ? null : text;
}

/**
 * Reads a PEM file of a certificate and that of its key, and checks that they can be used together.
 * @param report of each of the two files; they get all that is wrong at once
 * @returns null: they are no good
 */
export function readPair(
  files: { readonly cert: string; readonly key: string },
  report: { readonly cert: PemReport; readonly key: PemReport },
): PemPair | null {
  const cert = readText(files.cert, report.cert);
  const key = readText(files.key, report.key);
  const chain =
    cert === null ? null : certificatesOf(cert, files.cert, 'the certificate, with its chain behind it', report.cert);
  const secret = key === null ? null : keyOf(key, files.key, report.key);
  if (cert === null || key === null || chain === null || secret === null) return null;
  const leaf = chain[0]!;
  if (!leaf.checkPrivateKey(secret)) {
    report.key.error(
      chain.some((certificate) => certificate.checkPrivateKey(secret))
        ? `${files.key} fits a later certificate of ${files.cert}: put the one it was made for first and its chain behind it`
        : `${files.key} is not the key of ${files.cert}: name the key that the certificate was made with`,
    );
    return null;
  }
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    report.cert.error(`${files.cert} cannot be used with ${files.key}: ${(error as Error).message}`);
    return null;
  }
  return { cert, key, leaf };
}

function readText(file: string, report: PemReport): string | null {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    report.error(`cannot read ${file}: ${whyUnreadable(error)}`);
    return null;
  }
}

/** All certificates of a file, at least one. */
function certificatesOf(text: string, file: string, what: string, report: PemReport): X509Certificate[] | null {
  const blocks = text.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) {
    report.error(`${file} holds no certificate: name a PEM file of ${what}`);
    return null;
  }
  const found: X509Certificate[] = [];
  for (const [index, block] of blocks.entries()) {
    try {
      found.push(new X509Certificate(block));
    } catch {
      report.error(`certificate ${index + 1} of ${file} cannot be read: export it anew as PEM`);
      return null;
    }
  }
  for (const certificate of found) warnOfDates(certificate, file, report);
  return found;
}

function keyOf(text: string, file: string, report: PemReport): KeyObject | null {
  try {
    return createPrivateKey(text);
  } catch {
    report.error(
      /ENCRYPTED/.test(text)
        ? `${file} is encrypted, and nobody is there to type its passphrase: write it out plain with openssl pkey, readable by this user only`
        : `${file} holds no private key: name the PEM file of the certificate's key`,
    );
    return null;
  }
}

/** Only a warning: clocks differ, and what is out of date may be about to be replaced. */
function warnOfDates({ validFromDate, validToDate }: X509Certificate, file: string, report: PemReport): void {
  const now = Date.now();
  if (validToDate.getTime() < now) {
    report.warn(`${file} expired on ${validToDate.toISOString()}: it is refused from then on, renew it and reload`);
  } else if (validFromDate.getTime() > now) {
    report.warn(`${file} is not valid before ${validFromDate.toISOString()}: it is refused until then`);
  }
}
