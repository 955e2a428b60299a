import { KEY_SOURCES } from '../../affinity/strategy.ts';
import { isKnownBoots, type KnownBoots } from '../../backends/known-boots.ts';
import { isLife } from '../../backends/known-lives.ts';
import type { AdminState } from '../../backends/shared-state.ts';
import { MOVE_REASONS } from '../table/move-reasons.ts';

/**
 * How a backend stands while limpet runs, and what the configuration said of it then: what an operator has set outlives
 * a restart, unless the file has changed since.
 */
export interface BackendStatus {
  /** `pool/id`. */
  readonly name: string;
  readonly url: string;
  readonly state: AdminState;
  readonly weight: number;
  /** Found by discovery, not named in the file. */
  readonly discovered: boolean;
  /**
   * Number of the life that it is in, and when that began, ms since epoch; absent: limpet 0.1 has written it, which
   * knows of none.
   */
  readonly life?: number;
  readonly lifeBegan?: number;
  /** The ids that its processes gave themselves; absent: none is known. */
  readonly boots?: KnownBoots;
  /** Values of the configuration. */
  readonly configured: { readonly state: AdminState; readonly weight: number };
}

/** What there is to know of a table besides its rows. */
export interface TableDescription {
  /** Of the secret that keys are hashed with, see `keyFingerprint`. */
  readonly keyFingerprint: string;
  readonly backends: readonly BackendStatus[];
  /** See SessionTable.floor; absent in what 0.1 has written. */
  readonly floor?: number;
}

/** The same as it goes into a file or to another process: with the names of the numbers in its rows. */
export interface WrittenDescription extends TableDescription {
  /** Ms since epoch. */
  readonly writtenAt: number;
  readonly keySources: readonly string[];
  readonly moveReasons: readonly string[];
  /** `pool/id` of the backends that rows name by number; between processes more come later. */
  readonly names: readonly string[];
  /** By the same numbers, which life of the backend is meant. Absent: limpet 0.1 has written it. */
  readonly lives?: readonly number[];
  /**
   * Between processes: how much of the talk its sender understands, see SPEAKS in handover-frames. Absent: as much as
   * limpet 0.1.
   */
  readonly speaks?: number;
}

/** Adds what rows of this version mean. */
export function written(
  description: TableDescription,
  names: readonly string[],
  lives: readonly number[],
  now: number,
): WrittenDescription {
  return { ...description, writtenAt: now, keySources: KEY_SOURCES, moveReasons: MOVE_REASONS, names, lives };
}

/** Reads what `JSON.stringify` made of a WrittenDescription; null when it is none. */
export function parseDescription(text: string): WrittenDescription | null {
  let value: Partial<WrittenDescription> | null;
  try {
    value = JSON.parse(text) as Partial<WrittenDescription> | null;
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { keyFingerprint, backends, writtenAt, keySources, moveReasons, names, lives } = value;
  const whole =
    typeof keyFingerprint === 'string' &&
    typeof writtenAt === 'number' &&
    isTexts(keySources) &&
    isTexts(moveReasons) &&
    isTexts(names) &&
    (lives === undefined || (Array.isArray(lives) && lives.every(isLife))) &&
    Array.isArray(backends) &&
    backends.every(isStatus);
  return whole ? (value as WrittenDescription) : null;
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}

function isStatus(value: Partial<BackendStatus> | null): boolean {
  return (
    typeof value?.name === 'string' &&
    typeof value.url === 'string' &&
    typeof value.discovered === 'boolean' &&
    (value.life === undefined || isLife(value.life)) &&
    (value.lifeBegan === undefined || typeof value.lifeBegan === 'number') &&
    (value.boots === undefined || isKnownBoots(value.boots)) &&
    isSetting(value) &&
    isSetting(value.configured)
  );
}

function isSetting(value: { readonly state?: unknown; readonly weight?: unknown } | undefined): boolean {
  return (
    (value?.state === 'ready' || value?.state === 'drain' || value?.state === 'maintenance') &&
    typeof value.weight === 'number'
  );
}
