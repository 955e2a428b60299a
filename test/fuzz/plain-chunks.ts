/** A chunked body read by the letter. */
export interface PlainChunks {
  readonly data: string;
  /** Names and values in turn. */
  readonly trailers: readonly string[];
  /** Offset behind the body; -1: it is not whole. */
  readonly end: number;
  /** What is wrong with it; '' when nothing is. */
  readonly problem: string;
}

/**
 * Reads a chunked body from `at` on in the one form that limpet writes: sizes in hex, no extensions, CRLF everywhere.
 * Written apart from the decoder, for tests that look at what it lets through.
 */
export function readPlainChunks(text: string, at = 0): PlainChunks {
  let data = '';
  let p = at;
  const bad = (problem: string): PlainChunks => ({ data, trailers: [], end: -1, problem });
  for (;;) {
    const lineEnd = text.indexOf('\n', p);
    if (lineEnd < 0) return bad(/^[0-9a-fA-F]*\r?$/.test(text.slice(p)) ? '' : 'malformed chunk size');
    const size = /^([0-9a-fA-F]{1,13})\r\n$/.exec(text.slice(p, lineEnd + 1))?.[1];
    if (size === undefined) return bad('malformed chunk size');
    p = lineEnd + 1;
    const length = Number.parseInt(size, 16);
    if (length === 0) break;
    data += text.slice(p, p + length);
    p += length;
    if (text.length < p + 2) return bad('\r\n'.startsWith(text.slice(p)) ? '' : 'chunk data is not followed by CRLF');
    if (text.slice(p, p + 2) !== '\r\n') return bad('chunk data is not followed by CRLF');
    p += 2;
  }
  const trailers: string[] = [];
  for (;;) {
    const lineEnd = text.indexOf('\r\n', p);
    if (lineEnd < 0) return bad('');
    const line = text.slice(p, lineEnd);
    p = lineEnd + 2;
    if (line === '') return { data, trailers, end: p, problem: '' };
    const parts = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([\t\x20-\x7e\x80-\xff]*?)[\t ]*$/.exec(line);
    if (parts === null) return bad('malformed trailer');
    trailers.push(parts[1]!, parts[2]!);
  }
}
