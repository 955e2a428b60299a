import pino from 'pino';
import { sourceStack } from './source-stack.ts';

/**
 * What the parts of limpet write their log lines with. `fields` are members of the JSON line; an Error goes in as
 * `err`.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A logger whose level may be changed. */
export interface LeveledLogger extends Logger {
  level: string;
}

/** Takes whole lines, each with its line end. */
export interface LineSink {
  write(lines: string): void;
}

/** Least severe lines that are written, as in `log.level`. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/**
 * A logger whose lines are `{"level":"info","time":"2026-01-31T12:00:00.000Z", …fields, "msg":"…"}`.
 * @param fields members of every line, such as the number of the worker
 */
export function createLogger(level: LogLevel, sink: LineSink, fields: object = {}): LeveledLogger {
  return pino(
    {
      level,
      base: fields,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: writeError },
      formatters: { level: (label) => ({ level: label }) },
    },
    sink,
  );
}

function writeError(error: Error): object {
  const written = pino.stdSerializers.err(error);
  return typeof written?.stack === 'string' ? { ...written, stack: sourceStack(written.stack) } : written;
}
