/**
 * Whether a slot is among `tried[0..triedCount)`, the backends that this request was sent to already (behaviour 31).
 * HOT
 */
export function isTried(slot: number, tried: ArrayLike<number>, triedCount: number): boolean {
  for (let i = 0; i < triedCount; i++) if (tried[i] === slot) return true;
  return false;
}
