/**
 * Whether none of the four bytes is a control byte: none below 0x20 and none 0x7f. A word in which one is, or a HTAB, is looked at byte by byte.
 */
export function isPlainWord(word: number): boolean {
  const del = word ^ 0x7f7f7f7f;
  return ((((word - 0x20202020) & ~word) | ((del - 0x01010101) & ~del)) & 0x80808080) === 0;
}
