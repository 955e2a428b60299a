import { stripVTControlCharacters } from 'node:util';

/** One column of a table. */
export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
}

/** Aligns rows under their titles, two spaces between columns; cells may be coloured. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  title: (text: string) => string,
): string[] {
  const width = (cell: string) => [...stripVTControlCharacters(cell)].length;
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...rows.map((row) => width(row[index] ?? ''))),
  );
  const line = (cells: readonly string[]) =>
    columns
      .map(({ align }, index) => {
        const cell = cells[index] ?? '';
        const space = ' '.repeat(widths[index]! - width(cell));
        if (align === 'right') return space + cell;
        return index === columns.length - 1 ? cell : cell + space;
      })
      .join('  ');
  return [title(line(columns.map((column) => column.title))), ...rows.map(line)];
}
