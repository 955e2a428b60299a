/** Something that runs until it is told to stop. */
export interface Stoppable {
  /** Lets what is under way finish, for so many ms at most; absent: as it is configured by then. */
  stop(graceMs?: number): Promise<void>;
  /** Ends at once. */
  stopNow?(): void;
  /** Settles when it is to stop as if by a first signal. */
  readonly takenOver?: Promise<void>;
}

/** `process`, as far as signals go. */
interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
}

export interface RunOptions<Running extends Stoppable> {
  readonly signals: SignalSource;
  /** Handed to `stop`. */
  readonly graceMs?: number;
  readonly start: () => Promise<Running>;
  readonly onStarted?: (running: Running) => void;
  /** Not called before the start is over, nor once it stops. */
  readonly onHangup: (running: Running) => void;
}

/**
 * Starts something and keeps it running: the first SIGTERM or SIGINT stops it gracefully (status 0), a second one at
 * once (status 1); SIGHUP never ends it. One that is taken over stops gracefully too. A signal that comes during the
 * start is obeyed after it.
 */
export async function runUntilSignal<Running extends Stoppable>({
  signals,
  graceMs,
  start,
  onStarted,
  onHangup,
}: RunOptions<Running>): Promise<0 | 1> {
  const once = Promise.withResolvers<void>();
  const twice = Promise.withResolvers<'twice'>();
  let count = 0;
  let running: Running | 'twice' | null = null;
  let hungUp = false;
  let stopping = false;
  const onSignal = () => {
    stopping = true;
    if (++count === 1) once.resolve();
    else twice.resolve('twice');
  };
  const hangUp = () => {
    hungUp = true;
    if (running === null || running === 'twice' || stopping) return;
    hungUp = false;
    onHangup(running);
  };
  signals.on('SIGTERM', onSignal);
  signals.on('SIGINT', onSignal);
  signals.on('SIGHUP', hangUp);
  try {
    running = await Promise.race([start(), twice.promise]);
    if (running === 'twice') return 1;
    onStarted?.(running);
    if (hungUp) hangUp();
    // One signal on top of that, as from an init system, does not cut short what is still under way.
    await Promise.race(running.takenOver === undefined ? [once.promise] : [once.promise, running.takenOver]);
    stopping = true;
    const stopped = await Promise.race([running.stop(graceMs), twice.promise]);
    if (stopped !== 'twice') return 0;
    running.stopNow?.();
    return 1;
  } finally {
    signals.off('SIGTERM', onSignal);
    signals.off('SIGINT', onSignal);
    signals.off('SIGHUP', hangUp);
  }
}
