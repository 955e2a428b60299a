import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { chmod, copyFile, cp, mkdir, realpath, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from './find-program.ts';

const run = promisify(execFile);

/** What the Dockerfile's steps and npm call. */
const PROGRAMS = ['sh', 'env', 'ln', 'mkdir', 'cp', 'rm', 'chmod', 'chown', 'sleep'];
/** Looked up by glibc when it runs, so that ldd does not name them. */
const NAME_SERVICE = ['libnss_dns.so.2', 'libnss_files.so.2', 'libresolv.so.2'];
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/**
 * Puts a file system into a directory that can stand in for the base image, where that cannot be had: this machine's
 * shell, a few programs, this Node and npm, and the libraries of all of them.
 */
export async function makeStandInBase(root: string): Promise<void> {
  for (const directory of ['bin', 'usr/bin', 'usr/local/bin', 'usr/local/lib/node_modules', 'tmp', 'root', 'home/node'])
    await mkdir(join(root, directory), { recursive: true });
  await chmod(join(root, 'tmp'), 0o1777);
  await put(process.execPath, join(root, 'usr/local/bin/node'), root);
  for (const name of PROGRAMS) {
    const program = findProgram([name], '');
    if (program === null) throw new Error(`${name} is not installed`);
    await put(program, join(root, 'bin', name), root);
  }
  await symlink('/bin/env', join(root, 'usr/bin/env'));
  const cli = await realpath(findProgram(['npm'], '')!);
  await cp(join(dirname(cli), '..'), join(root, 'usr/local/lib/node_modules/npm'), { recursive: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'));
  const etc = join(root, 'etc');
  await mkdir(join(root, dirname(CERTIFICATES)), { recursive: true });
  await copyFile(CERTIFICATES, join(root, CERTIFICATES)).catch(() => {});
  const shell = '/bin/sh\n';
  await writeFile(join(etc, 'passwd'), `root:x:0:0::/root:${shell}node:x:1000:1000::/home/node:${shell}`);
  await writeFile(join(etc, 'group'), 'root:x:0:\nnode:x:1000:\n');
  await writeFile(join(etc, 'nsswitch.conf'), 'hosts: files dns\n');
}

/** Copies a program and, to where they are, the libraries that it is linked with. */
async function put(program: string, to: string, root: string): Promise<void> {
  await copyFile(program, to);
  const { stdout } = await run('ldd', [program]).catch(() => ({ stdout: '' }));
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path!);
  const folder = libraries.find((path) => path.includes('libc.so'));
  const extra = folder === undefined ? [] : NAME_SERVICE.map((name) => join(dirname(folder), name));
  for (const library of [...libraries, ...extra]) {
    await mkdir(join(root, dirname(library)), { recursive: true });
    await copyFile(library, join(root, library), constants.COPYFILE_FICLONE).catch(() => {});
  }
}
