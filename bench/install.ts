import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { findProgram } from './machine.ts';

/** Debian packages of the programs that the benchmark uses besides the proxies. */
export const TOOLS = [
  { program: 'wrk', debian: 'wrk' },
  { program: 'openssl', debian: 'openssl' },
  { program: 'redis-server', debian: 'redis-server' },
] as const;

/**
 * Installs Debian packages where that is allowed: on Debian, by root. Says what it does; returns whether it could.
 * The services of the packages are not started.
 */
export function install(packages: readonly string[], progress: (text: string) => void): boolean {
  if (packages.length === 0) return true;
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    progress(`not installed, because that needs root on Debian: ${packages.join(', ')}`);
    return false;
  }
  progress(`installing ${packages.join(', ')}`);
  // RUNLEVEL=1 keeps the packages' scripts from starting their services, whose ports and CPU are not wanted here.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const options = { stdio: 'ignore', env } as const;
  spawnSync('apt-get', ['update', '-q'], options);
  return spawnSync('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...packages], options).status === 0;
}

/** The packages of those tools that are not installed. */
export function missingTools(): string[] {
  return TOOLS.filter(({ program }) => findProgram(program) === null).map(({ debian }) => debian);
}
