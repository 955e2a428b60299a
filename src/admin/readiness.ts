/**
 * The one place that says whether limpet is ready for traffic (`/readyz`): each part that may have a reason against it,
 * while limpet runs, adds it here.
 */
export class Readiness {
  readonly #sources: (() => string | null)[] = [];

  /**
   * @param reason asked each time: why limpet is not ready, as the end of a sentence such as `worker 1 makes no
   * progress`; null: nothing is wrong
   */
  add(reason: () => string | null): void {
    this.#sources.push(reason);
  }

  /** All reasons of the moment; none: it is ready. */
  get reasons(): readonly string[] {
    return this.#sources.map((reason) => reason()).filter((reason) => reason !== null);
  }
}
