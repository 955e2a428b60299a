import { stripVTControlCharacters } from 'node:util';

const STYLE = /(\u001b\[[0-9;]*m)/;

/** The first `width` characters of a line that may be coloured; its styles end with it. */
export function fitLine(line: string, width: number): string {
  if ([...stripVTControlCharacters(line)].length <= width) return line;
  let left = width;
  let styled = false;
  let fitted = '';
  for (const part of line.split(STYLE)) {
    if (STYLE.test(part)) {
      styled = true;
      fitted += part;
    } else {
      const characters = [...part].slice(0, left);
      fitted += characters.join('');
      left -= characters.length;
    }
    if (left === 0) break;
  }
  return styled ? `${fitted}\u001b[0m` : fitted;
}
