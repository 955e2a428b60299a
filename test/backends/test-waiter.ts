import type { Backend } from '../../src/backends/backend.ts';
import type { BackendQueue } from '../../src/backends/queue.ts';
import type { Waiter } from '../../src/backends/waiter.ts';

/** A request that writes down what the queue tells it. */
export class TestWaiter implements Waiter {
  deadline = Infinity;
  queuedAt: Backend | null = null;
  queuePrevious: Waiter | null = null;
  queueNext: Waiter | null = null;
  queueTicket = 0;
  readonly name: string;
  readonly #log: string[];

  constructor(name: string, log: string[], deadline = Infinity) {
    this.name = name;
    this.#log = log;
    this.deadline = deadline;
  }

  /** Enters and writes down a place that it gets at once. */
  enter(queue: BackendQueue, backend: Backend): boolean {
    const placed = queue.enter(backend, this);
    if (placed) this.#log.push(`${this.name} at ${backend.id}`);
    return placed;
  }

  onPlace(backend: Backend): void {
    this.#log.push(`${this.name} at ${backend.id}`);
  }

  onQueueTimeout(): void {
    this.#log.push(`${this.name} timed out`);
  }

  onBackendGone(backend: Backend): void {
    this.#log.push(`${this.name} lost ${backend.id}`);
  }
}
