import type { Backend } from '../../src/backends/backend.ts';
import type { ActiveHealthConfig } from '../../src/config/schema.ts';
import type { Probe, ProbeFactory, ProbeResult } from '../../src/health/probe.ts';
import type { FakeClock } from './fake-clock.ts';

const REFUSED: ProbeResult = { ok: false, reason: 'ECONNREFUSED', code: 'BACKEND_CONNECT' };

/** Probes that answer what the test says, at once or after a time, and write down when they were asked. */
export class FakeProbes implements Probe {
  readonly #clock: FakeClock;
  /** Ids of the backends that do not answer well. */
  readonly failing = new Set<string>();
  /** What they get. */
  failure = REFUSED;
  /** How long a probe takes, in ms. */
  takes = 0;
  readonly asked: { readonly id: string; readonly at: number }[] = [];
  readonly inFlight: string[] = [];
  mostAtOnce = 0;
  aborted = 0;
  configs: ActiveHealthConfig[] = [];

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  get factories(): { http: ProbeFactory; tcp: ProbeFactory } {
    const factory: ProbeFactory = (config) => {
      this.configs.push(config);
      return this;
    };
    return { http: factory, tcp: factory };
  }

  /** When a backend was asked, in ms since the first of all probes could have been. */
  times(id: string): number[] {
    return this.asked.filter((probe) => probe.id === id).map(({ at }) => at);
  }

  check({ id }: Backend, signal: AbortSignal): Promise<ProbeResult> {
    this.asked.push({ id, at: this.#clock.now() });
    this.inFlight.push(id);
    this.mostAtOnce = Math.max(this.mostAtOnce, this.inFlight.filter((other) => other === id).length);
    return new Promise((resolve) => {
      const end = (result: ProbeResult): void => {
        this.#clock.clear(timer);
        const index = this.inFlight.indexOf(id);
        if (index !== -1) this.inFlight.splice(index, 1);
        resolve(result);
      };
      const timer = this.#clock.set(() => end(this.failing.has(id) ? this.failure : { ok: true }), this.takes);
      signal.addEventListener('abort', () => {
        this.aborted++;
        end(REFUSED);
      });
    });
  }
}
