/**
 * Takes cookies out of a Cookie line on its way to the backend: `text[valueStart, valueEnd)` is the value of the line,
 * `names` are the cookies to take out. The others stay byte for byte, in their order (behaviours 8, 73). A pair without
 * `=` has no name and stays.
 * @returns null: nothing to take out, the line stays as it is; '': nothing is left, drop the line; otherwise the
 * remaining value
 */
export function stripCookies(
  text: string,
  valueStart: number,
  valueEnd: number,
  names: readonly string[],
): string | null {
  if (names.length === 1) return stripCookie(text, valueStart, valueEnd, names[0]!);
  let rest: string | null = null;
  for (let i = 0; i < names.length && rest !== ''; i++) {
    rest =
      rest === null
        ? stripCookie(text, valueStart, valueEnd, names[i]!)
        : (stripCookie(rest, 0, rest.length, names[i]!) ?? rest);
  }
  return rest;
}

function stripCookie(text: string, valueStart: number, valueEnd: number, name: string): string | null {
  let out: string | null = null;
  /** What is kept and not yet in `out` begins here: at the `;` before a pair, or at the first pair that is kept. */
  let from = valueStart;
  let at = text.indexOf(name, valueStart);
  while (at >= 0 && at < valueEnd) {
    const pair = pairStart(text, at, valueStart);
    if (pair < 0 || !hasValue(text, at + name.length, valueEnd)) {
      at = text.indexOf(name, at + name.length);
      continue;
    }
    let end = text.indexOf(';', at);
    if (end < 0 || end > valueEnd) end = valueEnd;
    out ??= '';
    if (pair - 1 > from) out += text.slice(from, pair - 1);
    from = end;
    if (out === '') {
      from++;
      while (from < valueEnd && isBlank(text.charCodeAt(from))) from++;
    }
    at = text.indexOf(name, end);
  }
  if (out === null) return null;
  if (from < valueEnd) out += text.slice(from, valueEnd);
  return withoutBlankEnd(out);
}

/** Start of the pair whose name begins at `at`, its white space included; -1 when something else stands in front. */
function pairStart(text: string, at: number, valueStart: number): number {
  let start = at;
  while (start > valueStart && isBlank(text.charCodeAt(start - 1))) start--;
  return start === valueStart || text.charCodeAt(start - 1) === 0x3b ? start : -1;
}

/**
 * Whether a `=` follows. Lenient parsers drop white space before it, so that such a pair would reach the application as
 * our cookie.
 */
function hasValue(text: string, nameEnd: number, valueEnd: number): boolean {
  let equals = nameEnd;
  while (equals < valueEnd && isBlank(text.charCodeAt(equals))) equals++;
  return equals < valueEnd && text.charCodeAt(equals) === 0x3d;
}

/** Without the white space that stood in front of a pair that was the last; '' when nothing but separators is left. */
function withoutBlankEnd(text: string): string {
  // Neither `trim` nor `\s` here: to them the byte 0xA0 of somebody's cookie is white space.
  if (text === '') return '';
  const first = text.charCodeAt(0);
  if ((isBlank(first) || first === 0x3b) && /^[ \t;]*$/.test(text)) return '';
  let end = text.length;
  while (end > 0 && isBlank(text.charCodeAt(end - 1))) end--;
  return end === text.length ? text : text.slice(0, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
