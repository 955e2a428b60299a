import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { KeyPath } from './config-error.ts';
import type { Config } from './schema.ts';

/** The kernel's sockaddr_un holds 108 bytes with the final NUL. */
const LONGEST_SOCKET = 107;

/**
 * Calls `report` for every file that the configuration names and that cannot be written as it is meant: replaced (the
 * snapshot) or appended to (the audit log).
 */
export function findUnwritableFiles(config: Config, report: (path: KeyPath, message: string) => void): void {
  findUnwritable(config, report);
  findNoAuditFile(config, report);
}

/** The audit log is appended to, or made; it may be a pipe, too. */
function findNoAuditFile({ sessions, admin, log }: Config, report: (path: KeyPath, message: string) => void): void {
  const file = log.audit;
  if (file === null) return;
  const path = ['log', 'audit'];
  if (file === sessions.secretFile || file === admin.tokenFile || file === sessions.snapshot) {
    report(path, `${file} is needed for something else: name a file of its own`);
    return;
  }
  try {
    const now = statSync(file, { throwIfNoEntry: false });
    if (now?.isDirectory()) report(path, `${file} is a directory: name a file`);
    else if (now !== undefined) accessSync(file, constants.W_OK);
    else if (!statSync(dirname(file)).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
    else accessSync(dirname(file), constants.W_OK | constants.X_OK);
  } catch (error) {
    report(path, `cannot write ${file}: ${whyUnwritable(error)}`);
  }
}

/**
 * The snapshot is written beside itself and renamed, so it is its directory that has to be writable; a socket stands
 * there too.
 */
function findUnwritable({ sessions, admin }: Config, report: (path: KeyPath, message: string) => void): void {
  const file = sessions.snapshot;
  if (file === null) return;
  const path = ['sessions', 'snapshot'];
  const directory = dirname(file);
  if (file === sessions.secretFile || file === admin.tokenFile) {
    report(path, `${file} holds a secret and would be replaced: name a file of its own`);
    return;
  }
  try {
    if (!statSync(directory).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
    accessSync(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    report(path, `cannot write in ${directory}: ${whyUnwritable(error)}`);
    return;
  }
  try {
    const now = statSync(file, { throwIfNoEntry: false });
    if (now?.isDirectory()) report(path, `${file} is a directory: name a file`);
    else if (now !== undefined && !now.isFile()) {
      report(path, `${file} is no regular file: name one that may be replaced`);
    } else if (now !== undefined) accessSync(file, constants.R_OK);
  } catch (error) {
    report(path, `cannot read ${file}: ${whyUnreadable(error)}`);
  }
  const bytes = Buffer.byteLength(`${file}.sock`);
  if (bytes > LONGEST_SOCKET) {
    report(
      path,
      `${file}.sock, where the next process takes the rows over, has ${bytes} bytes and a socket's path ${LONGEST_SOCKET} at most: use a shorter path`,
    );
  }
}

/** What a failed write means, and what to do. */
export function whyUnwritable(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such directory: create it, or correct the path';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied: let this user write there';
    case 'EISDIR':
      return 'it is a directory: name a file';
    case 'EROFS':
      return 'the file system is read-only: name a file elsewhere';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the disk is full: make room';
    case 'ENXIO':
      return 'it is a pipe or socket that nobody reads: name a file, or start its reader first';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

/** What a failed file operation means, and what to do. */
export function whyUnreadable(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such file: create it, or correct the path';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied: let this user read it';
    case 'EISDIR':
      return 'it is a directory: name a file';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
