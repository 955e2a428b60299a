/**
 * Makes the anchor of a heading as GitHub does: lower case, spaces to hyphens, everything dropped but letters, digits,
 * `-` and `_`.
 * The site uses the same rule, so that one link works in both places.
 */
export function headingAnchor(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '')
    .replaceAll(' ', '-');
}
