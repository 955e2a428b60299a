/** One mistake in a configuration file: where it is, which key it is about, what is wrong and what is allowed. */
export interface ConfigError {
  readonly file: string;
  /** From 1; 0 when the mistake is not at one place of the file, such as a file that cannot be read. */
  readonly line: number;
  /** From 1; 0 together with `line`. */
  readonly column: number;
  /** Path of the key, such as `pools.shop.backends[0].url`; empty for the whole file. */
  readonly path: string;
  readonly message: string;
}

/** Keys and indexes that lead to a value. */
export type KeyPath = readonly (string | number)[];

/** `pools.shop.backends[0].url`; a key that is not a plain word stands in brackets and quotes. */
export function formatPath(path: KeyPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[\w@~+-][\w.@~+-]*$/.test(part) && !part.includes('.')) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** `file:line:column: path: message`, always one line. */
export function formatConfigError(error: ConfigError): string {
  const place = error.line === 0 ? error.file : `${error.file}:${error.line}:${error.column}`;
  return `${place}: ${error.path === '' ? '' : `${error.path}: `}${error.message}`.replace(/\s*\n\s*/g, ' ');
}
