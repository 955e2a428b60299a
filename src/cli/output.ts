/** What commands write: results to standard output, everything else to standard error. */
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Colours text for standard output; plain when that is no terminal or NO_COLOR is set. */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

/** Writes the result, or a line of it; the last line end may be left out. */
export function printLine(line: string): void {
  console.log('%s', line.replace(/\n$/, ''));
}

/** Writes the one JSON document of `--json`. */
export function printJson(document: unknown): void {
  console.log('%s', JSON.stringify(document, null, 2));
}

/** Writes one line to standard error that is no failure. */
export function printWarning(text: string): void {
  console.error('%s %s', styleText('yellow', 'warning:', { stream: process.stderr }), text);
}

/** Writes one line to standard error. */
export function printError(line: string): void {
  console.error('%s', line.replace(/\s*\n\s*/g, ' '));
}

/**
 * Text that came over the network, safe to show on a terminal: control and direction characters are shown as what they
 * are.
 */
export function harmless(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
