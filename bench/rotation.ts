/**
 * The order of a round: the list turned by one place each round, so that no proxy always runs first (on a cool machine)
 * or always after the same neighbour.
 */
export function rotation<T>(list: readonly T[], round: number): T[] {
  const shift = list.length === 0 ? 0 : round % list.length;
  return [...list.slice(shift), ...list.slice(0, shift)];
}
