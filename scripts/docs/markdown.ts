/** Says at the head of a page where it comes from; held by a test. */
export function GENERATED(from: string): string {
  return `<!-- Made from ${from}, by \`npm run docs:reference\`. -->`;
}

/** Text for a cell of a table. */
export function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s*\n\s*/g, ' ');
}
