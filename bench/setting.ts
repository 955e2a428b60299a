import type { Options } from './options.ts';
import type { Processes } from './processes.ts';
import type { ProxyKind } from './proxies/proxy-kind.ts';

/** A proxy that is here and can be measured. */
export interface Present {
  readonly kind: ProxyKind;
  readonly version: string;
}

/** What every part of a run needs. */
export interface RunSetting {
  readonly options: Options;
  readonly processes: Processes;
  /** A folder for temporary files. */
  readonly directory: string;
  readonly progress: (text: string) => void;
  /** Notes that a proxy could not be measured in the case that runs; the others go on. */
  readonly fail: (name: string, reason: string) => void;
  /** Go before a command to keep it on its cores; empty: nothing is pinned. */
  readonly pins: { readonly proxy: readonly string[]; readonly rest: readonly string[] };
}
