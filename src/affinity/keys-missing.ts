/** There are no keys to check a token with: it may be good or not. */
export class KeysMissing extends Error {
  override readonly name = 'KeysMissing';
}
