/** So few names are looked for one by one. */
const FEW = 4;

/**
 * Names of limpet's own cookies, of all pools: a browser sends them to every route of a host, and takes them from every
 * answer, so no backend may see or set any of them, whichever pool it is in (behaviours 8 and 11).
 */
export class CookieNames {
  static readonly NONE = new CookieNames([]);
  readonly #list: readonly string[];
  readonly #set: ReadonlySet<string>;

  constructor(names: Iterable<string>) {
    this.#set = new Set(names);
    this.#list = [...this.#set];
  }

  get none(): boolean {
    return this.#list.length === 0;
  }

  /**
   * Those that may stand in a Cookie line, `text[start, end)` is its value: all of them where they are few, so that the
   * usual line is not taken apart.
   */
  in(text: string, start: number, end: number): readonly string[] {
    return this.#list.length <= FEW ? this.#list : this.#among(text, start, end);
  }

  /**
   * Whether a Set-Cookie line, whose value is `text[start, end)`, sets one of them, as browsers read it (RFC 6265
   * section 5.2).
   */
  isSet(text: string, start: number, end: number): boolean {
    if (this.none) return false;
    // A cookie without a name comes back as its value alone: `=limpet=x` as `limpet=x`.
    while (start < end && (isBlank(text.charCodeAt(start)) || text.charCodeAt(start) === 0x3d)) start++;
    let stop = start;
    while (stop < end && text.charCodeAt(stop) !== 0x3d && text.charCodeAt(stop) !== 0x3b) stop++;
    while (stop > start && isBlank(text.charCodeAt(stop - 1))) stop--;
    const names = this.#list;
    if (names.length > FEW) return this.#set.has(text.slice(start, stop));
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      if (name.length === stop - start && text.startsWith(name, start)) return true;
    }
    return false;
  }

  #among(text: string, start: number, end: number): string[] {
    const found: string[] = [];
    for (let at = start; at < end; ) {
      let stop = text.indexOf(';', at);
      if (stop < 0 || stop > end) stop = end;
      let from = at;
      while (from < stop && isBlank(text.charCodeAt(from))) from++;
      let equals = text.indexOf('=', from);
      if (equals < 0 || equals > stop) equals = stop;
      while (equals > from && isBlank(text.charCodeAt(equals - 1))) equals--;
      const name = text.slice(from, equals);
      if (this.#set.has(name) && !found.includes(name)) found.push(name);
      at = stop + 1;
    }
    return found;
  }
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
