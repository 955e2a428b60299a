const MOST = 20;

/** Names in a message: so many that they help, however many there are. */
export function nameList(names: readonly string[]): string {
  if (names.length <= MOST) return names.join(', ');
  return `${names.slice(0, MOST).join(', ')} and ${names.length - MOST} more`;
}
