const KEY = /[a-z*][a-z0-9_\-.*]*/y;
/** Bare items of RFC 9651 3.3: string, token, number, bytes, boolean, date, display string. */
const ITEM =
  /"(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"|[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*|-?\d{1,15}(?:\.\d{1,3})?|:[A-Za-z0-9+/=]*:|\?[01]|@-?\d{1,15}|%"(?:[\x20-\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*"/y;
const SPACES = / */y;
const OPTIONAL_SPACES = /[ \t]*/y;
const ID = /^(?:"|[A-Za-z*]|-?\d+$)/;

/**
 * The id of the process in `Limpet-Backend: boot=ID`, a dictionary of RFC 9651 whose `boot` is a token, a string or an
 * integer; null: there is none, or the field is not well-formed, which makes all of it void (RFC 9651 4.2). Off the hot
 * path.
 */
export function bootId(text: string): string | null {
  const input = new Input(text);
  let id: string | null = null;
  input.take(SPACES);
  while (!input.done) {
    const key = input.take(KEY);
    if (key === null) return null;
    let value: string | null = '?1';
    if (input.is('=')) value = input.is('(') ? innerList(input) : input.take(ITEM);
    if (value === null || !parameters(input)) return null;
    // Of two with one name the last one counts.
    if (key === 'boot') id = ID.test(value) ? plain(value) : null;
    input.take(OPTIONAL_SPACES);
    if (input.done) break;
    if (!input.is(',')) return null;
    input.take(OPTIONAL_SPACES);
    if (input.done) return null;
  }
  return id;
}

/** @returns something that is no id; null: it is not well-formed */
function innerList(input: Input): string | null {
  for (;;) {
    input.take(SPACES);
    if (input.is(')')) return '(';
    if (input.take(ITEM) === null || !parameters(input)) return null;
    if (!input.at(' ') && !input.at(')')) return null;
  }
}

function parameters(input: Input): boolean {
  while (input.is(';')) {
    input.take(SPACES);
    if (input.take(KEY) === null) return false;
    if (input.is('=') && input.take(ITEM) === null) return false;
  }
  return true;
}

function plain(value: string): string | null {
  if (value[0] !== '"') return value;
  return value.length === 2 ? null : value.slice(1, -1).replaceAll(/\\(.)/g, '$1');
}

class Input {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text.trimEnd();
  }

  get done(): boolean {
    return this.#at === this.#text.length;
  }

  /** What the expression finds right here; null: nothing. */
  take(what: RegExp): string | null {
    what.lastIndex = this.#at;
    const found = what.exec(this.#text)?.[0] ?? null;
    if (found !== null) this.#at += found.length;
    return found;
  }

  at(character: string): boolean {
    return this.#text[this.#at] === character;
  }

  is(character: string): boolean {
    if (!this.at(character)) return false;
    this.#at++;
    return true;
  }
}
