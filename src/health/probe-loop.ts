import type { Backend } from '../backends/backend.ts';
import type { Clock } from '../timing/clock.ts';
import type { Probe, ProbeResult } from './probe.ts';

/**
 * Behind a pause of limpet's own, until a probe that came to nothing is made again: others that wait have their turn
 * first.
 */
const AGAIN_MS = 100;

/** What a ProbeLoop works with. */
interface ProbeLoopOptions {
  readonly backend: Backend;
  readonly probe: Probe;
  /** From the start of one probe to the start of the next, in ms, within a tenth of it. */
  readonly interval: number;
  readonly clock: Clock;
  /**
   * Whether limpet itself stood still since then, by performance.now: what fails meanwhile says nothing of the backend.
   */
  readonly paused: (since: number) => boolean;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly onResult: (result: ProbeResult) => void;
}

/**
 * Probes one backend again and again, never twice at once (behaviour 40). Each interval is stretched or shortened by up
 * to a tenth, so that the probes of many backends and many load balancers do not fall into step.
 */
export class ProbeLoop {
  readonly #options: ProbeLoopOptions;
  #timer: unknown = null;
  #check: AbortController | null = null;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: ProbeLoopOptions) {
    this.#options = options;
  }

  /** Probes for the first time in `delay` ms. */
  start(delay: number): void {
    this.#schedule(delay);
  }

  /** No result is reported from now on; resolves when the probe that is under way has ended, which is at once. */
  stop(): Promise<void> {
    this.#options.clock.clear(this.#timer);
    this.#check?.abort();
    this.#check = null;
    return this.#ended;
  }

  #schedule(delay: number): void {
    this.#timer = this.#options.clock.set(() => {
      this.#ended = this.#run();
    }, delay);
  }

  async #run(): Promise<void> {
    const { backend, probe, interval, clock, random, paused, onResult } = this.#options;
    const check = new AbortController();
    this.#check = check;
    const started = clock.now();
    const began = performance.now();
    const result = await probe.check(backend, check.signal);
    if (this.#check !== check) return;
    this.#check = null;
    if (!result.ok && paused(began)) return this.#schedule(AGAIN_MS);
    // Not trusted when the clock of the system was set back meanwhile.
    const taken = Math.max(0, clock.now() - started);
    this.#schedule(Math.max(0, interval * (0.9 + 0.2 * random()) - taken));
    onResult(result);
  }
}
