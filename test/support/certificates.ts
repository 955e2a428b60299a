import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Files of one certificate, and what they hold. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  readonly certPem: string;
  readonly keyPem: string;
}

export interface CertificateOptions {
  /** DNS names and addresses that it is for. */
  readonly names?: readonly string[];
  /** Signs it; absent: it signs itself. */
  readonly by?: CertificateFiles;
  /** It may sign others. */
  readonly authority?: boolean;
  readonly from?: Date;
  readonly to?: Date;
}

/** Makes certificates with openssl, in a folder of their own. Each test file makes those that it needs once. */
export class Certificates {
  readonly directory = mkdtempSync(join(tmpdir(), 'limpet-certificates-'));

  /** A fresh key and a certificate for it in `NAME.pem` and `NAME.key`, over those that are there. */
  make(name: string, { names = [], by, authority = false, from, to }: CertificateOptions = {}): CertificateFiles {
    const cert = this.path(`${name}.pem`);
    const key = this.path(`${name}.key`);
    const alternatives = names.map((one) => (/^[\d.]+$|:/.test(one) ? `IP:${one}` : `DNS:${one}`)).join(',');
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-keyout', key];
    const request = this.path(`${name}.csr`);
    openssl('req', '-new', ...curve, '-subj', `/CN=${name}`, '-out', request);
    const lines = [
      `basicConstraints=critical,CA:${authority ? 'TRUE' : 'FALSE'}`,
      'subjectKeyIdentifier=hash',
      ...(alternatives === '' ? [] : [`subjectAltName=${alternatives}`]),
    ];
    const config = this.path(`${name}.cnf`);
    const text = ['[ca]', 'default_ca=own', '[own]', `database=${config}.index`, `new_certs_dir=${this.directory}`];
    text.push('default_md=sha256', 'policy=any', 'email_in_dn=no', 'rand_serial=yes', 'unique_subject=no');
    text.push('[any]', 'commonName=supplied', '[extensions]', ...lines, '');
    writeFileSync(config, text.join('\n'));
    writeFileSync(`${config}.index`, '');
    const signer = by === undefined ? ['-selfsign', '-keyfile', key] : ['-cert', by.cert, '-keyfile', by.key];
    const dates = ['-startdate', utc(from ?? days(-1)), '-enddate', utc(to ?? days(30))];
    const how = ['-batch', '-notext', '-config', config, '-extensions', 'extensions', ...dates, ...signer];
    openssl('ca', ...how, '-in', request, '-out', cert);
    return { cert, key, certPem: readFileSync(cert, 'utf8'), keyPem: readFileSync(key, 'utf8') };
  }

  /** Writes a file beside them; returns its path. */
  write(name: string, text: string): string {
    const file = this.path(name);
    writeFileSync(file, text);
    return file;
  }

  /** The key of a certificate again, under a passphrase. */
  encrypted(name: string, { key }: CertificateFiles): string {
    const file = this.path(name);
    openssl('pkey', '-in', key, '-aes256', '-passout', 'pass:secret', '-out', file);
    return file;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** So many days from now. */
export function days(count: number): Date {
  return new Date(Date.now() + count * 86_400_000);
}

function utc(date: Date): string {
  return `${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
}
