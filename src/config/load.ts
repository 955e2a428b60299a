import { readFileSync } from 'node:fs';
import { findBadBackendTls } from './backend-tls-files.ts';
import { type ConfigError, formatConfigError, type KeyPath } from './config-error.ts';
import { readDocument } from './document.ts';
import type { Environment } from './expand.ts';
import { findUnwritableFiles, whyUnreadable } from './files.ts';
import { valueAt } from './messages.ts';
import { resolveAdmin, resolveConfig } from './resolve.ts';
import { type AdminConfig, type Config, configSchema } from './schema.ts';
import { readTlsMaterial } from './tls-material.ts';
import { findUnusableFiles } from './unusable-files.ts';
import { validate } from './validate.ts';

/** A configuration that is valid. */
export interface LoadedConfig {
  readonly config: Config;
  /** Lines about what is allowed and most likely not meant. */
  readonly warnings: string[];
  /**
   * Files that the configuration names and that cannot be read or used now: it is valid, but limpet cannot start with
   * it.
   */
  readonly unreadable: ConfigError[];
  /** A mistake at a key of this file, for checks that need more than the file. */
  readonly errorAt: (path: KeyPath, message: string) => ConfigError;
}

/** Every mistake of a configuration, in the order of the file. */
export interface RefusedConfig {
  readonly errors: ConfigError[];
}

/** Reads a configuration file. Bad input of every kind is in the result; nothing is thrown. */
export function loadConfig(file: string, environment: Environment = process.env): LoadedConfig | RefusedConfig {
  const text = readText(file);
  return typeof text === 'string' ? parseConfig(text, file, environment) : text;
}

/**
 * Reads where the admin API of a configuration file is, whatever else is wrong with the file: the running limpet has
 * read it before it was edited, and with variables that need not be set where its commands are typed.
 */
export function loadAdmin(
  file: string,
  environment: Environment = process.env,
): { readonly admin: AdminConfig } | RefusedConfig {
  const text = readText(file);
  if (typeof text !== 'string') return text;
  const document = readDocument(text, file, environment);
  if (document.broken) return { errors: [...document.errors] };
  const loaded = parseConfig(text, file, environment);
  if (!('errors' in loaded)) return { admin: loaded.config.admin };
  const errors = loaded.errors.filter(({ path }) => path === 'admin' || path.startsWith('admin.'));
  const admin = configSchema.shape.admin.safeParse(valueAt(document.value, ['admin']) ?? undefined);
  return errors.length > 0 || !admin.success
    ? { errors: errors.length > 0 ? errors : loaded.errors }
    : { admin: resolveAdmin(admin.data, file) };
}

function readText(file: string): string | RefusedConfig {
  const refuse = (message: string): RefusedConfig => ({ errors: [{ file, line: 0, column: 0, path: '', message }] });
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return refuse(
      missing
        ? 'there is no such file: name one with -c, or write one with limpet init'
        : `cannot be read: ${whyUnreadable(error)}`,
    );
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return refuse('is not UTF-8 text: save it as UTF-8');
  }
}

/** Reads a configuration from text; `file` names it in messages, and relative paths are meant from its directory. */
export function parseConfig(
  text: string,
  file: string,
  environment: Environment = process.env,
): LoadedConfig | RefusedConfig {
  const document = readDocument(text, file, environment);
  const errors = [...document.errors];
  if (document.broken) return { errors };
  const warnings: ConfigError[] = [];
  // A value whose variable is missing is not known: whatever else is said about it would be noise.
  const unknown = new Set(errors.map(({ path }) => path));
  const told = new Set(errors.map(({ path, message }) => `e ${path}\n${message}`));
  const add = (found: ConfigError[], error: ConfigError) => {
    const { path, message } = error;
    const key = `${found === errors ? 'e' : 'w'} ${path}\n${message}`;
    if (told.has(key) || unknown.has(path)) return;
    told.add(key);
    found.push(error);
  };
  const parsed = validate(document.value, document.readings, {
    error: (path: KeyPath, message: string, at) => add(errors, document.errorAt(path, message, at)),
    warn: (path: KeyPath, message: string, at) => add(warnings, document.errorAt(path, message, at)),
  });
  if (errors.length > 0 || parsed === null) return { errors: errors.sort(byPlace) };
  const config = resolveConfig(parsed, file);
  const unreadable: ConfigError[] = [];
  const refuse = (path: KeyPath, message: string) => void unreadable.push(document.errorAt(path, message));
  const warn = (path: KeyPath, message: string) => void warnings.push(document.errorAt(path, message));
  findUnusableFiles(config, refuse);
  findUnwritableFiles(config, refuse);
  findBadBackendTls(config, refuse, warn);
  for (const [index, { tls }] of config.listeners.entries()) {
    if (tls !== null) readTlsMaterial(tls, ['listeners', index, 'tls'], { error: refuse, warn });
  }
  return {
    config,
    warnings: warnings.sort(byPlace).map(formatConfigError),
    unreadable,
    errorAt: (path, message) => document.errorAt(path, message),
  };
}

function byPlace(one: ConfigError, other: ConfigError): number {
  return one.line - other.line || one.column - other.column;
}
