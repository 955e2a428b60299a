/** Something that runs until it is told to stop. */
export interface Stoppable {
  /** Lets what is under way finish, for so many ms at most. */
  stop(graceMs: number): Promise<void>;
  /** Ends at once. */
  stopNow?(): void;
}

/** `process`, as far as signals go. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
}

export interface RunOptions {
  readonly signals: SignalSource;
  readonly graceMs: number;
  readonly start: () => Promise<Stoppable>;
  readonly onStarted?: (running: Stoppable) => void;
  readonly onHangup: () => void;
}

/**
 * Starts something and keeps it running: the first SIGTERM or SIGINT stops it gracefully (status 0), a second one at once
 * (status 1); SIGHUP never ends it. A signal that comes during the start is obeyed after it.
 */
export async function runUntilSignal({ signals, graceMs, start, onStarted, onHangup }: RunOptions): Promise<0 | 1> {
  const once = Promise.withResolvers<void>();
  const twice = Promise.withResolvers<'twice'>();
  let count = 0;
  const onSignal = () => {
    if (++count === 1) once.resolve();
    else twice.resolve('twice');
  };
  signals.on('SIGTERM', onSignal);
  signals.on('SIGINT', onSignal);
  signals.on('SIGHUP', onHangup);
  try {
    const running = await Promise.race([start(), twice.promise]);
    if (running === 'twice') return 1;
    onStarted?.(running);
    await once.promise;
    const stopped = await Promise.race([running.stop(graceMs), twice.promise]);
    if (stopped !== 'twice') return 0;
    running.stopNow?.();
    return 1;
  } finally {
    signals.off('SIGTERM', onSignal);
    signals.off('SIGINT', onSignal);
    signals.off('SIGHUP', onHangup);
  }
}
