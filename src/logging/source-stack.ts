import { readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { fileURLToPath } from 'node:url';
import { installation } from '../installation.ts';

const PLACE = /(file:\/\/[^\s()]+\.js):(\d+):(\d+)/g;

/**
 * A stack with the files and lines of the sources instead of those of dist. The maps are read now, when something has
 * gone wrong: Node's own `--enable-source-maps` reads them all at each start.
 */
export function sourceStack(stack: string): string {
  if (installation.fromSource) return stack;
  const maps = new Map<string, SourceMap | null>();
  return stack.replace(PLACE, (written, file: string, line: string, column: string) => {
    let map = maps.get(file);
    if (map === undefined) {
      map = readMap(file);
      maps.set(file, map);
    }
    const entry = map?.findEntry(Number(line) - 1, Number(column) - 1);
    if (entry === undefined || !('originalSource' in entry) || entry.originalSource === undefined) return written;
    const name = entry.originalSource.replace(/^(?:\.\.\/)+/, '');
    return `${name}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  });
}

function readMap(file: string): SourceMap | null {
  if (!file.startsWith(new URL('dist/', installation.root).href)) return null;
  try {
    return new SourceMap(JSON.parse(readFileSync(fileURLToPath(`${file}.map`), 'utf8')) as SourceMapPayload);
  } catch {
    return null;
  }
}
