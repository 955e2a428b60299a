import { readPage } from './pages.ts';

/** A configuration, or a part of one, that a page shows. */
export interface YamlBlock {
  /** Page and line. */
  readonly place: string;
  readonly text: string;
}

/**
 * Lists the blocks of a page that are marked ```yaml and nothing else: those are limpet's own configuration.
 * A block of another program says whose it is behind a space: ```yaml kubernetes.
 */
export function yamlBlocks(page: string): YamlBlock[] {
  const text = readPage(page);
  return [...text.matchAll(/^( *)```yaml *\n([\s\S]*?)^\1```/gm)].map((match) => ({
    place: `${page}:${text.slice(0, match.index).split('\n').length}`,
    text: dedent(match[2]!),
  }));
}

function dedent(text: string): string {
  const lines = text.split('\n');
  const depth = Math.min(...lines.filter((line) => /\S/.test(line)).map((line) => line.search(/\S/)));
  return lines.map((line) => line.slice(depth)).join('\n');
}
