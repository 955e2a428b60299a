import { lstatSync, mkdirSync, statSync } from 'node:fs';
import module from 'node:module';
import { join } from 'node:path';
import { installation } from '../installation.ts';

/** Permissions that let others than the owner change what is in a directory. */
const OTHERS_WRITE = 0o022;

/**
 * Lets V8 keep what it compiles of an installed limpet, for the starts that follow; threads do the same. It runs what
 * it finds there, so this is a directory that nobody but this user can write to, or none: CACHE_DIRECTORY (systemd's
 * CacheDirectory=), XDG_CACHE_HOME or ~/.cache. Does nothing where Node has been told by NODE_COMPILE_CACHE or
 * NODE_DISABLE_COMPILE_CACHE.
 */
export function useCompileCache(environment: NodeJS.ProcessEnv = process.env): void {
  const { NODE_COMPILE_CACHE: told, NODE_DISABLE_COMPILE_CACHE: disabled } = environment;
  if (told !== undefined || disabled !== undefined || installation.fromSource) return;
  const directory = compileCacheDirectory(environment);
  if (directory === null) return;
  module.enableCompileCache(directory);
  // Threads begin with it, and processes that this one starts.
  environment.NODE_COMPILE_CACHE = directory;
}

/** The directory, made where it was missing; null: there is none that is this user's alone. */
export function compileCacheDirectory(environment: NodeJS.ProcessEnv): string | null {
  const user = process.getuid?.();
  const { CACHE_DIRECTORY: systemd, XDG_CACHE_HOME: xdg, HOME: home } = environment;
  const base = systemd?.split(':')[0] || xdg || (home ? join(home, '.cache') : '');
  if (user === undefined || !base.startsWith('/')) return null;
  const directory = join(base, 'limpet');
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    // Whoever may write to the parent could put another directory in its place.
    const parent = statSync(base);
    const own = lstatSync(directory);
    const isSafe =
      own.isDirectory() &&
      own.uid === user &&
      (parent.uid === user || parent.uid === 0) &&
      ((own.mode | parent.mode) & OTHERS_WRITE) === 0;
    return isSafe ? directory : null;
  } catch {
    // A disk that is full, or may not be written to: limpet starts without.
    return null;
  }
}
