import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ConfigChange } from '../../config/diff.ts';
import type { Config } from '../../config/schema.ts';
import { strategyFiles } from '../../config/strategy-places.ts';

/** What the files hold that a pool's part reads anew at each reload: a digest by part and path. */
export type FileContents = ReadonlyMap<string, { readonly part: string; readonly digest: string }>;

/**
 * Digests of the files that pools name, for TLS to their backends and for the keys of tokens. One that cannot be read
 * is left out.
 */
export function fileContents({ pools }: Config): FileContents {
  const contents = new Map<string, { part: string; digest: string }>();
  const add = (part: string, file: string | null): void => {
    if (file === null) return;
    try {
      const digest = createHash('sha256').update(readFileSync(file)).digest('base64');
      contents.set(`${part}\0${file}`, { part, digest });
    } catch {
      // Whoever needs it says so.
    }
  };
  for (const [name, { tls, affinity }] of Object.entries(pools)) {
    for (const file of [tls.ca, tls.cert, tls.key]) add(`pools.${name}.tls (content of its files)`, file);
    for (const [index, strategy] of affinity.entries()) {
      for (const { place, file } of strategyFiles(strategy))
        add(`pools.${name}.affinity[${index}].${place.join('.')} (its content)`, file);
    }
  }
  return contents;
}

/** The parts whose files, under the same names, hold something else than before. */
export function changedContents(before: FileContents, after: FileContents): ConfigChange[] {
  const parts = new Set<string>();
  for (const [key, { part, digest }] of after) {
    const was = before.get(key);
    if (was !== undefined && was.digest !== digest) parts.add(part);
  }
  return [...parts].map((path) => ({ path, change: 'changed' }));
}
