/** 1: failed at run time; 2: bad usage or bad configuration. */
type FailureStatus = 1 | 2;

/**
 * A command cannot go on. Each line goes to standard error and says what to do next; the status is limpet's exit
 * status.
 */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly lines: readonly string[];
  readonly status: FailureStatus;

  constructor(lines: string | readonly string[], status: FailureStatus) {
    super(typeof lines === 'string' ? lines : lines.join('\n'));
    this.lines = typeof lines === 'string' ? [`limpet: ${lines}`] : lines;
    this.status = status;
  }
}
