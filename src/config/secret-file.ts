import { readFileSync, statSync } from 'node:fs';
import { whyUnreadable } from './files.ts';

const LEAST_BYTES = 32;
const HOW = 'make one with: openssl rand -base64 32';

/** What a file of secrets holds, or what is wrong with it: one message for `check`, start and reload. */
type SecretFile =
  | { readonly secrets: readonly Uint8Array[]; readonly mode: number }
  | {
      /** Names file and line, and never shows a secret. */
      readonly error: string;
    };

/**
 * Reads a file of secrets: one a line in hex, base64 or base64url, 32 bytes or more each; blank lines and `#` comments
 * are allowed. Text that can be read as hex is hex.
 */
export function readSecretFile(file: string): SecretFile {
  let text: string;
  let mode: number;
  try {
    text = readFileSync(file, 'latin1');
    mode = statSync(file).mode;
  } catch (error) {
    return { error: `cannot read ${file}: ${whyUnreadable(error)}` };
  }
  const secrets: Uint8Array[] = [];
  const lines = new Map<string, number>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const written = line.replace(/(?:^|\s)#.*$/, '').trim();
    if (written === '') continue;
    const place = `${file}:${index + 1}`;
    const secret = decode(written);
    if (typeof secret === 'string') return { error: `${place}: ${secret}` };
    const digits = secret.toString('hex');
    const first = lines.get(digits);
    if (first !== undefined) return { error: `${place}: is the same secret as line ${first}: remove one of the two` };
    lines.set(digits, index + 1);
    secrets.push(secret);
  }
  return secrets.length === 0 ? { error: `${file}: holds no secret; ${HOW}` } : { secrets, mode };
}

/** The bytes, or what is wrong with them. */
function decode(written: string): Buffer | string {
  let secret: Buffer;
  if (/^[0-9A-Fa-f]+$/.test(written)) {
    if (written.length % 2 !== 0) return 'hex has an odd number of digits: one is missing';
    secret = Buffer.from(written, 'hex');
  } else {
    const base64 = /^([A-Za-z0-9+/]+|[A-Za-z0-9_-]+)(={0,2})$/.exec(written);
    const digits = base64?.[1]?.length ?? 0;
    const padding = base64?.[2]?.length ?? 0;
    // One digit alone is no byte; padding, where it stands, fills up to a multiple of four (RFC 4648 section 4).
    if (base64 === null || digits % 4 === 1 || (padding > 0 && (digits + padding) % 4 !== 0))
      return `is neither base64 nor hex; ${HOW}`;
    secret = Buffer.from(written, 'base64');
  }
  if (secret.length < LEAST_BYTES)
    return `the secret has ${secret.length} bytes, at least ${LEAST_BYTES} are needed; ${HOW}`;
  if (secret.every((byte) => byte === secret[0]))
    return `the secret is one byte repeated, which can be guessed; ${HOW}`;
  return secret;
}
