import { harmless, paint } from './output.ts';
import { type Column, formatTable } from './table.ts';

const COLUMNS: readonly Column[] = [
  { title: 'CHANGE', align: 'left' },
  { title: 'KEY', align: 'left' },
];
const COLOURS = { added: 'green', removed: 'red', changed: 'yellow' } as const;

/** What a configuration changes, as the lines of a table; none when nothing does. */
export function changesTable(changes: unknown): string[] {
  if (!Array.isArray(changes) || changes.length === 0) return [];
  const rows = (changes as { path?: unknown; change?: unknown }[]).map(({ path, change }) => [
    paint(COLOURS[change as keyof typeof COLOURS] ?? 'reset', harmless(String(change))),
    harmless(String(path)),
  ]);
  return formatTable(COLUMNS, rows, (title) => paint('bold', title));
}
