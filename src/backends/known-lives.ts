import { isKnownBoots, type KnownBoots } from './known-boots.ts';

/** What one process tells another of the lives of a backend (behaviour 114). */
export interface KnownLife {
  /** `pool/id`. */
  readonly name: string;
  /** Which life it is in, from 1. */
  readonly life: number;
  /** When that began, ms since epoch; 0: before anybody knew the backend. */
  readonly began: number;
  /** The ids of its processes; absent: none has given itself one. */
  readonly boots?: KnownBoots;
}

/**
 * The lives of the backends of this process, and the ids of their processes, as it and others tell each other of them.
 * A number only rises, so that it does not matter who tells whom twice.
 */
export interface KnownLives {
  /** Answers what has changed since its last call; with the first one, all there is to know. */
  reader(): () => readonly KnownLife[];
  /**
   * Another process has seen lives end: they have. What this process knows better stays, and a backend that it does not
   * have is none of its business.
   * @param before they ended before this process had anything to do with it: it is no news
   */
  learn(lives: readonly KnownLife[], before?: boolean): void;
}

/** Reads what JSON.stringify made of a list of KnownLife; what is none is left out. */
export function parseLives(text: string): KnownLife[] {
  const list = JSON.parse(text) as unknown;
  return Array.isArray(list) ? list.filter(isKnownLife) : [];
}

function isKnownLife(value: Partial<KnownLife> | null): value is KnownLife {
  const { name, life, began, boots } = value ?? {};
  const dated = typeof began === 'number' && began >= 0;
  return typeof name === 'string' && isLife(life) && dated && (boots === undefined || isKnownBoots(boots));
}

/**
 * The highest number that is taken from elsewhere: far more than a backend ever has, with as many left that may follow.
 */
export const MOST_LIVES = 2 ** 30;

/** Whether this can be the number of a life. */
export function isLife(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MOST_LIVES;
}
