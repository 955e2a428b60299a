import { StartError } from '../errors-start.ts';

/** Turns one JSON line, without its line end, into text for a person, with line ends. */
export type LineFormat = (line: string) => string;

/**
 * The format of `log.format: pretty`: pino-pretty, loaded only when it is asked for.
 * @throws StartError when it is not installed
 */
export async function loadPrettyFormat(): Promise<LineFormat> {
  try {
    const { prettyFactory } = await import('pino-pretty');
    return prettyFactory({ singleLine: true, translateTime: 'SYS:HH:MM:ss.l' });
  } catch (cause) {
    throw new StartError('log.format: pretty needs the package pino-pretty: install it, or set log.format: json', {
      cause,
    });
  }
}
