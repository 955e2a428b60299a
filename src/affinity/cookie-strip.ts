/**
 * Takes cookies out of a Cookie line on its way to the backend: `text[valueStart, valueEnd)` is the value of the line, `names` are the cookies to take out.
 * The others stay byte for byte, in their order (behaviours 8, 73). A pair without `=` has no name and stays.
 * @returns null: nothing to take out, the line stays as it is; '': nothing is left, drop the line; otherwise the remaining value
 */
export function stripCookies(
  text: string,
  valueStart: number,
  valueEnd: number,
  names: readonly string[],
): string | null {
  if (!mayHold(text, valueStart, valueEnd, names)) return null;
  let out = '';
  let stripped = false;
  /** Start of what is kept and not yet in `out`: at the `;` before a pair, except before the first one that is kept. */
  let from = valueStart;
  for (let pair = valueStart; pair <= valueEnd; ) {
    let end = text.indexOf(';', pair);
    if (end < 0 || end > valueEnd) end = valueEnd;
    if (isNamed(text, pair, end, names)) {
      stripped = true;
      if (pair - 1 > from) out += text.slice(from, pair - 1);
      from = end;
      if (out === '') {
        from++;
        while (from < valueEnd && isBlank(text.charCodeAt(from))) from++;
      }
    }
    pair = end + 1;
  }
  if (!stripped) return null;
  if (from < valueEnd) out += text.slice(from, valueEnd);
  // Neither `trim` nor `\s` here: to them the byte 0xA0 of somebody's cookie is white space.
  if (/^[ \t;]*$/.test(out)) return '';
  let last = out.length;
  while (isBlank(out.charCodeAt(last - 1))) last--;
  return last === out.length ? out : out.slice(0, last);
}

/** Whether one of the names stands anywhere in the line: most lines of other applications are done with here. */
function mayHold(text: string, start: number, end: number, names: readonly string[]): boolean {
  for (let i = 0; i < names.length; i++) {
    const at = text.indexOf(names[i]!, start);
    if (at >= 0 && at < end) return true;
  }
  return false;
}

function isNamed(text: string, start: number, end: number, names: readonly string[]): boolean {
  let from = start;
  while (from < end && isBlank(text.charCodeAt(from))) from++;
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    if (!text.startsWith(name, from)) continue;
    // Lenient parsers drop white space before the `=`, so that such a pair would reach the application as our cookie.
    let equals = from + name.length;
    while (equals < end && isBlank(text.charCodeAt(equals))) equals++;
    if (equals < end && text.charCodeAt(equals) === 0x3d) return true;
  }
  return false;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
