/** The two words of a user's hash. */
export interface UserWords {
  readonly a: number;
  readonly b: number;
}
