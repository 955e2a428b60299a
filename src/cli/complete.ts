import { loadConfig } from '../config/load.ts';

/** Commands whose next word is a backend, POOL/ID. */
const OF_A_BACKEND = /^(?:backends (?:drain|ready|maintenance|restarted|weight)|cookie mint)$/;
/** Options whose value is the name of a pool, or the id of a backend. */
const OF_A_POOL = ['--pool'];
const OF_AN_ID = ['--backend', '--to'];
const OF_A_FILE = ['-c', '--config'];

/**
 * What may stand in place of the last of `words`, where a pool or a backend is due, as the configuration file has them.
 * Null: something else is due there, or there is no such file.
 * @param words of the line, without the name of the program; the last one may be empty
 */
export function complete(words: readonly string[]): string[] | null {
  const current = words.at(-1) ?? '';
  const before = words.at(-2) ?? '';
  const file = words.findLastIndex((word) => OF_A_FILE.includes(word));
  const command = words.slice(0, -1).filter((word, at) => !word.startsWith('-') && (file < 0 || at !== file + 1));
  const wanted = wantedAt(before, command.join(' '), current);
  if (wanted === null) return null;
  const loaded = loadConfig(file < 0 ? 'limpet.yaml' : (words[file + 1] ?? ''));
  if ('errors' in loaded) return null;
  const found = Object.entries(loaded.config.pools).flatMap(([pool, { backends }]) =>
    wanted === 'pool' ? [pool] : backends.map(({ id }) => (wanted === 'id' ? id : `${pool}/${id}`)),
  );
  return [...new Set(found)].filter((name) => name.startsWith(current));
}

function wantedAt(before: string, command: string, current: string): 'pool' | 'id' | 'backend' | null {
  if (OF_A_POOL.includes(before)) return 'pool';
  if (OF_AN_ID.includes(before)) return 'id';
  return OF_A_BACKEND.test(command) && !current.startsWith('-') ? 'backend' : null;
}
