import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { StartError } from '../errors-start.ts';

const LEAST_BYTES = 32;
const HOW = 'make one with: openssl rand -base64 32';

/** The secrets that sign cookies and hash keys. */
export interface Secrets {
  /** 32 bytes or more each; the first signs, all verify. Never empty. */
  readonly secrets: readonly Uint8Array[];
  /** What the operator should know of them. */
  readonly warning: string | null;
}

/**
 * Reads `sessions.secretFile`: one secret a line in hex, base64 or base64url; blank lines and `#` comments are allowed.
 * Text that can be read as hex is hex. Without a file a secret is made up, for this process alone.
 * @throws StartError that names file and line, and never shows a secret.
 */
export function loadSecrets(secretFile: string | null): Secrets {
  if (secretFile === null) {
    return {
      secrets: [randomBytes(LEAST_BYTES)],
      warning:
        'sessions.secretFile is not set: cookies are signed with a secret made at this start, so that they do not survive a restart and other instances do not know them; put a file there (' +
        `${HOW})`,
    };
  }
  const { text, mode } = read(secretFile);
  const secrets: Uint8Array[] = [];
  const lines = new Map<string, number>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const written = line.replace(/(?:^|\s)#.*$/, '').trim();
    if (written === '') continue;
    const place = `${secretFile}:${index + 1}`;
    const secret = decode(written, place);
    const text16 = secret.toString('hex');
    const first = lines.get(text16);
    if (first !== undefined)
      throw new StartError(`${place}: is the same secret as line ${first}: remove one of the two`);
    lines.set(text16, index + 1);
    secrets.push(secret);
  }
  if (secrets.length === 0) throw new StartError(`${secretFile}: holds no secret; ${HOW}`);
  return { secrets, warning: openToOthers(secretFile, mode) };
}

function read(file: string): { readonly text: string; readonly mode: number } {
  try {
    return { text: readFileSync(file, 'latin1'), mode: statSync(file).mode };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StartError(`sessions.secretFile: cannot read ${file}: ${reason}`, { cause });
  }
}

function decode(written: string, place: string): Buffer {
  let secret: Buffer;
  if (/^[0-9A-Fa-f]+$/.test(written)) {
    if (written.length % 2 !== 0) throw new StartError(`${place}: hex has an odd number of digits: one is missing`);
    secret = Buffer.from(written, 'hex');
  } else {
    const base64 = /^([A-Za-z0-9+/]+|[A-Za-z0-9_-]+)(={0,2})$/.exec(written);
    const digits = base64?.[1]?.length ?? 0;
    const padding = base64?.[2]?.length ?? 0;
    // One digit alone is no byte; padding, where it stands, fills up to a multiple of four (RFC 4648 section 4).
    if (base64 === null || digits % 4 === 1 || (padding > 0 && (digits + padding) % 4 !== 0))
      throw new StartError(`${place}: is neither base64 nor hex; ${HOW}`);
    secret = Buffer.from(written, 'base64');
  }
  if (secret.length < LEAST_BYTES)
    throw new StartError(`${place}: the secret has ${secret.length} bytes, at least ${LEAST_BYTES} are needed; ${HOW}`);
  if (secret.every((byte) => byte === secret[0]))
    throw new StartError(`${place}: the secret is one byte repeated, which can be guessed; ${HOW}`);
  return secret;
}

/**
 * Whoever can read the file can make cookies. The group is let through: that is how containers are handed their
 * secrets.
 */
function openToOthers(file: string, mode: number): string | null {
  if (process.platform === 'win32' || (mode & 0o007) === 0) return null;
  return `${file} can be read or written by every user of this machine (mode ${(mode & 0o777).toString(8).padStart(3, '0')}): chmod o-rwx ${file}`;
}
