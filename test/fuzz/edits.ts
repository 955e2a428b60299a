import type { SeededRandom } from './seeded-random.ts';

/** Bytes and texts that mean something to a parser. */
const SPECIAL = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  ' ',
  '\t',
  '\0',
  '\x0b',
  '\x0c',
  '\x7f',
  '\x80',
  '\xff',
  ':',
  ',',
  ';',
  '=',
  '"',
  '\\',
  '#',
  '?',
  '/',
  '@',
  '%',
  '0',
  '1',
  '5',
  'f',
  'g',
  'x',
  'X',
  '-',
  '_',
  '0x',
  '+',
];

/**
 * The text with one edit: bytes put in, taken out, changed or repeated, a line doubled, the case of a stretch turned, a
 * number or line end tampered with.
 */
export function edited(text: string, random: SeededRandom): string {
  const at = random.below(text.length + 1);
  const before = text.slice(0, at);
  const after = text.slice(at);
  const length = 1 + random.below(random.oneIn(4) ? 20 : 2);
  switch (random.below(10)) {
    case 0:
    case 1:
      return before + random.pick(SPECIAL) + after;
    case 2:
      return before + after.slice(length);
    case 3:
      return before + random.pick(SPECIAL) + after.slice(1);
    case 4:
      return before + after.slice(0, length) + after;
    case 5: {
      const lines = text.split('\r\n');
      const line = random.below(lines.length);
      lines.splice(random.below(lines.length), 0, lines[line]!);
      return lines.join('\r\n');
    }
    case 6: {
      const part = after.slice(0, length);
      return before + (random.oneIn(2) ? part.toUpperCase() : part.toLowerCase()) + after.slice(length);
    }
    case 7: {
      // White space around a colon or a line end.
      const spots = [...text.matchAll(/:|\r\n/g)].map(({ index }) => index + random.below(2));
      const spot = spots.length === 0 ? at : random.pick(spots);
      return text.slice(0, spot) + random.pick([' ', '\t', '  ', '\r', '\n']) + text.slice(spot);
    }
    case 8: {
      const numbers = [...text.matchAll(/[0-9a-f]+(?=\r\n)/g)];
      if (numbers.length === 0) return before + random.pick(SPECIAL) + after;
      const { index, 0: digits } = random.pick(numbers);
      const other = random.pick([
        `${digits}0`,
        `0${digits}`,
        digits.slice(1),
        (Number.parseInt(digits, 16) + 1).toString(16),
        `${digits} `,
        '0',
        '',
      ]);
      return text.slice(0, index) + other + text.slice(index + digits.length);
    }
    default: {
      const ends = [...text.matchAll(/\r\n/g)];
      if (ends.length === 0) return before + random.pick(SPECIAL) + after;
      const { index } = random.pick(ends);
      return (
        text.slice(0, index) + random.pick(['\n', '\r', '\n\r', '\r\r\n', '', ' \r\n', '\r\n ']) + text.slice(index + 2)
      );
    }
  }
}
