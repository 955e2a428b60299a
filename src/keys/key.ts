/**
 * What names a session inside limpet: 128 bits, a keyed hash of what the client sent (behaviour 22).
 * Mutable on purpose: the data path owns one per connection and writes into it.
 * The hash is keyed by secret, pool and key source, so one Key never means two sessions.
 */
export class Key {
  a = 0;
  b = 0;
  c = 0;
  d = 0;

  set(a: number, b: number, c: number, d: number): void {
    this.a = a | 0;
    this.b = b | 0;
    this.c = c | 0;
    this.d = d | 0;
  }

  copy(from: Key): void {
    this.a = from.a;
    this.b = from.b;
    this.c = from.c;
    this.d = from.d;
  }

  equals(other: Key): boolean {
    return this.a === other.a && this.b === other.b && this.c === other.c && this.d === other.d;
  }

  /** The all-zero key marks an empty row and is never stored. */
  isZero(): boolean {
    return (this.a | this.b | this.c | this.d) === 0;
  }
}
