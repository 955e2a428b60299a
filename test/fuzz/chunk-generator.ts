import type { SeededRandom } from './seeded-random.ts';

const EXTENSIONS = ['', '', '', '', '', ';a', ';a=b', ';a="b;c"', ';a="\\""', ';', '; a', ' ', ';a=', ';a="', '\t'];
const TRAILERS = [
  '',
  '',
  '',
  'X-Sum: 1\r\n',
  'X-A: b\r\nX-C:\r\n',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'X-Bad\r\n',
];

/** A chunked body, mostly a valid one. */
export function chunks(random: SeededRandom): string {
  let text = '';
  for (let n = random.below(3); n > 0; n--) {
    const data = random.pick(['x', 'hello', '0\r\n\r\n', '\r\n', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n']);
    let size = data.length.toString(16);
    if (random.oneIn(4)) size = random.pick([`0${size}`, size.toUpperCase(), `00000${size}`]);
    if (random.oneIn(20))
      size = random.pick([
        `0x${size}`,
        `+${size}`,
        ` ${size}`,
        `${size} `,
        `f${size}`,
        '-1',
        '',
        'ffffffffffffffff',
        '1'.repeat(17),
      ]);
    text += `${size}${random.oneIn(3) ? random.pick(EXTENSIONS) : ''}\r\n${data}${random.oneIn(30) ? random.pick(['\n', '\r', '', 'x\r\n']) : '\r\n'}`;
  }
  return `${text}${random.oneIn(10) ? '000' : '0'}${random.oneIn(6) ? random.pick(EXTENSIONS) : ''}\r\n${random.pick(TRAILERS)}\r\n`;
}
