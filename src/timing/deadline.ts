import { threadWheel } from './thread-wheel.ts';
import { Timed } from './timer-wheel.ts';

/**
 * A time that is over at some point, where that is somebody's failure or costs somebody something: it goes by the wheel
 * of this thread, which counts no pause of limpet's own.
 */
export class Deadline extends Timed {
  readonly #passed: () => void;
  #set = false;

  /** @param passed called once, `ms` from now or up to three ticks later, unless it is cancelled */
  constructor(ms: number, passed: () => void) {
    super();
    this.#passed = passed;
    this.restart(ms);
  }

  /** From now on, also when it has passed or was cancelled. */
  restart(ms: number): void {
    if (!this.#set) threadWheel.start();
    this.#set = true;
    threadWheel.set(this, ms);
  }

  cancel(): void {
    if (!this.#set) return;
    this.#set = false;
    threadWheel.remove(this);
    threadWheel.stop();
  }

  onDeadline(): void {
    this.#set = false;
    threadWheel.stop();
    this.#passed();
  }
}
