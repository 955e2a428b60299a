/** Values of the digits that are looked at: as many bits as a number holds exactly. */
const RANGE = 2 ** 52;

/**
 * Samples a share of the traces, by the trace id alone: all nodes decide the same.
 *
 * The last seven bytes of a trace id are random (W3C Trace Context level 2, section 3.2.2.3); a trace is sampled when
 * they are not below a threshold, as OpenTelemetry's consistent probability sampling has it, so that what is sampled
 * with a low ratio is sampled with every higher one too.
 */
export class RatioSampler {
  readonly #threshold: number;

  /** @param ratio 0: none, 1: all */
  constructor(ratio: number) {
    this.#threshold = (1 - ratio) * RANGE;
  }

  /** @param traceId 32 hexadecimal digits */
  samples(traceId: string): boolean {
    return Number.parseInt(traceId.slice(18, 31), 16) >= this.#threshold;
  }
}
