import fc from 'fast-check';

/** Arbitraries of valid HTTP/1.1 messages, for property tests. Texts are latin1: one character a byte. */

const TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

function textOf(characters: string, minLength: number, maxLength: number): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...characters), minLength, maxLength });
}

function byteRange(...ranges: readonly (readonly [number, number])[]): string {
  let characters = '';
  for (const [from, to] of ranges) for (let b = from; b <= to; b++) characters += String.fromCharCode(b);
  return characters;
}

export const token = textOf(TOKEN_CHARACTERS, 1, 20);
/** Without white space at its ends. */
export const fieldValue = textOf(byteRange([9, 9], [0x20, 0x7e], [0x80, 0xff]), 0, 60).map((text) =>
  text.replace(/^[ \t]+|[ \t]+$/g, ''),
);
export const whiteSpace = textOf(' \t', 0, 3);

export interface Field {
  readonly name: string;
  readonly before: string;
  readonly value: string;
  readonly after: string;
}

/** A name that means nothing to the parser. */
const plainName = token.map((name) => `X-${name}`);
export const plainField: fc.Arbitrary<Field> = fc.record({
  name: fc.oneof(
    plainName,
    fc.constantFrom('Cookie', 'accept', 'Content-Type', 'VIA', 'X_Forwarded_For', 'Keep-Alive'),
  ),
  before: whiteSpace,
  value: fieldValue,
  after: whiteSpace,
});

export function fieldLines(fields: readonly Field[]): string {
  return fields.map(({ name, before, value, after }) => `${name}:${before}${value}${after}\r\n`).join('');
}

const label = textOf('abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_', 0, 8).map((text) => `${text}g`);
export const host = fc
  .tuple(
    fc.oneof(
      fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.')),
      fc.ipV4(),
      fc.ipV6().map((address) => `[${address}]`),
    ),
    fc.option(fc.nat(65535), { nil: null }),
  )
  .map(([name, port]) => (port === null ? name : `${name}:${port}`));

export const method = fc.oneof(
  fc.constantFrom('GET', 'POST', 'HEAD', 'PUT', 'OPTIONS', 'DELETE', 'TRACE'),
  textOf("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 1, 12).filter((text) => text !== 'CONNECT'),
);
export const path = textOf(byteRange([0x21, 0x22], [0x24, 0x3e], [0x40, 0x7e]), 0, 30).map((text) => `/${text}`);
export const query = fc.option(
  textOf(byteRange([0x21, 0x22], [0x24, 0x7e]), 0, 30).map((text) => `?${text}`),
  { nil: '' },
);

export interface RequestParts {
  readonly emptyLines: number;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly minor: number;
  readonly host: string;
  readonly fields: readonly Field[];
  readonly framing: { readonly name: string; readonly value: string } | null;
}

/** A valid request head and what it is made of. */
export const requestParts: fc.Arbitrary<RequestParts> = fc.record({
  emptyLines: fc.nat(2),
  method,
  path,
  query,
  minor: fc.constantFrom(0, 1),
  host,
  fields: fc.array(plainField, { maxLength: 8 }),
  framing: fc.option(
    fc.oneof(
      fc.record({ name: fc.constantFrom('Content-Length', 'content-length'), value: fc.nat(99_999).map(String) }),
      fc.record({
        name: fc.constantFrom('Transfer-Encoding', 'transfer-encoding'),
        value: fc.constantFrom('chunked', 'Chunked'),
      }),
    ),
    { nil: null },
  ),
});

/** Cut points for a text of `length` bytes, in ascending order. */
export function cuts(length: number): fc.Arbitrary<number[]> {
  return fc.array(fc.nat(length), { maxLength: 12 }).map((points) => [...points].sort((a, b) => a - b));
}

const extensionValue = fc.oneof(
  token,
  textOf(byteRange([9, 9], [0x20, 0x21], [0x23, 0x5b], [0x5d, 0x7e], [0x80, 0xff]), 0, 10).map((text) => `"${text}"`),
  textOf(byteRange([0x20, 0x7e]), 0, 5).map((text) => `"${[...text].map((c) => `\\${c}`).join('')}"`),
);
const extensions = fc
  .array(
    fc
      .tuple(token, fc.option(extensionValue, { nil: null }))
      .map(([name, value]) => (value === null ? `;${name}` : `;${name}=${value}`)),
    { maxLength: 2 },
  )
  .map((list) => list.join(''));
const anyBytes = textOf(byteRange([0, 255]), 0, 40);
const framingBytes = textOf('\r\n0125;:a', 0, 20);

export interface ChunkedParts {
  readonly chunks: readonly {
    readonly data: string;
    readonly zeros: number;
    readonly upper: boolean;
    readonly extensions: string;
  }[];
  readonly lastExtensions: string;
  readonly trailers: readonly Field[];
}

/** A valid chunked body and what it is made of. */
export const chunkedParts: fc.Arbitrary<ChunkedParts> = fc.record({
  chunks: fc.array(
    fc.record({
      data: fc.oneof(anyBytes, framingBytes).map((text) => (text === '' ? 'x' : text)),
      zeros: fc.constantFrom(0, 0, 0, 1, 5),
      upper: fc.boolean(),
      extensions: fc.oneof(fc.constant(''), extensions),
    }),
    { maxLength: 5 },
  ),
  lastExtensions: fc.oneof(fc.constant(''), extensions),
  trailers: fc.array(plainField, { maxLength: 3 }),
});

export function chunkedText({ chunks, lastExtensions, trailers }: ChunkedParts): string {
  const sized = chunks.map(({ data, zeros, upper, extensions }) => {
    const size = '0'.repeat(zeros) + data.length.toString(16);
    return `${upper ? size.toUpperCase() : size}${extensions}\r\n${data}\r\n`;
  });
  return `${sized.join('')}0${lastExtensions}\r\n${fieldLines(trailers)}\r\n`;
}
