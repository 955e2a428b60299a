import { createHmac, randomBytes } from 'node:crypto';
import { linkSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { readSecretFile } from '../config/secret-file.ts';
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
 * Reads `sessions.secretFile`, see readSecretFile. Without a file a secret is made up: for this process alone, or,
 * where there is a snapshot, kept beside it.
 * @param snapshot as in `sessions.snapshot`: its rows are of use only to whoever has the secret that their keys were
 *   hashed with
 * @throws StartError that names file and line, and never shows a secret.
 */
export function loadSecrets(secretFile: string | null, snapshot: string | null = null): Secrets {
  if (secretFile !== null) return readSecrets(secretFile, 'sessions.secretFile');
  if (snapshot === null) {
    return {
      secrets: [randomBytes(LEAST_BYTES)],
      warning:
        'sessions.secretFile is not set: cookies are signed with a secret made at this start, so that they do not survive a restart and other instances do not know them; put a file there (' +
        `${HOW})`,
    };
  }
  return readSecrets(keptBeside(snapshot), 'sessions.snapshot');
}

/**
 * Names a secret without telling it: whoever has the secret can tell that it is this one, nobody else learns anything.
 * HMAC-SHA256 of a fixed text, its first 16 bytes in base64url.
 */
export function keyFingerprint(secret: Uint8Array): string {
  return createHmac('sha256', secret).update('limpet table key').digest().subarray(0, 16).toString('base64url');
}

/** @param key what configured the file, for messages */
function readSecrets(secretFile: string, key: string): Secrets {
  const read = readSecretFile(secretFile);
  if ('error' in read)
    throw new StartError(read.error.startsWith('cannot read') ? `${key}: ${read.error}` : read.error);
  return { secrets: read.secrets, warning: openToOthers(secretFile, read.mode) };
}

/** The file beside the snapshot that holds the secret, made now if it is not there. */
function keptBeside(snapshot: string): string {
  const file = `${snapshot}.secret`;
  if (statSync(file, { throwIfNoEntry: false }) !== undefined) return file;
  // Written elsewhere and given its name after: nobody, in this process or another, ever reads half a secret, and of
  // two that start at once one makes it.
  const fresh = `${file}.${process.pid}`;
  try {
    writeFileSync(
      fresh,
      `# made by limpet: signs its cookies and hashes its session keys\n${randomBytes(LEAST_BYTES).toString('base64')}\n`,
      {
        mode: 0o600,
      },
    );
    try {
      linkSync(fresh, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      unlinkSync(fresh);
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StartError(`sessions.snapshot: cannot keep a secret in ${file}: ${reason}; or set sessions.secretFile`, {
      cause,
    });
  }
  return file;
}

/**
 * Whoever can read the file can make cookies. The group is let through: that is how containers are handed their
 * secrets.
 */
function openToOthers(file: string, mode: number): string | null {
  if (process.platform === 'win32' || (mode & 0o007) === 0) return null;
  return `${file} can be read or written by every user of this machine (mode ${(mode & 0o777).toString(8).padStart(3, '0')}): chmod o-rwx ${file}`;
}
