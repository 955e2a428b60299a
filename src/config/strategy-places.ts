import type { AffinityConfig } from './schema.ts';

/** Where a value stands in the configuration of a key source. */
type Place = readonly string[];

interface Places {
  /** Files that are read at a start and at each reload. */
  readonly files: readonly Place[];
  /** Texts that are never shown. */
  readonly secrets: readonly Place[];
}

const NONE: Places = { files: [], secrets: [] };

/** Where each key source has files and secrets: one that is added has to say it here. */
const PLACES: { readonly [By in AffinityConfig['by']]: Places } = {
  cookie: NONE,
  'app-cookie': NONE,
  header: NONE,
  query: NONE,
  token: { files: [['verify', 'publicKeyFile']], secrets: [['verify', 'secret']] },
  ip: NONE,
};

/** A file that a key source names, and where. */
interface StrategyFile {
  readonly place: Place;
  readonly file: string;
}

/** The files that a key source names. */
export function strategyFiles(config: AffinityConfig): StrategyFile[] {
  return PLACES[config.by].files.flatMap((place) => {
    const file = textAt(config, place);
    return file === null ? [] : [{ place, file }];
  });
}

/** The same key source with the names of its files as `change` makes them. */
export function withFiles(config: AffinityConfig, change: (file: string) => string): AffinityConfig {
  return PLACES[config.by].files.reduce<AffinityConfig>((made, place) => changedAt(made, place, change), config);
}

/** The same key source with another text where its secrets stand. */
export function withoutSecrets(config: AffinityConfig, shown: string): AffinityConfig {
  return PLACES[config.by].secrets.reduce<AffinityConfig>((made, place) => changedAt(made, place, () => shown), config);
}

/** Null: nothing is given there. */
function textAt(value: unknown, place: Place): string | null {
  const found = place.reduce<unknown>((part, key) => (part as Record<string, unknown> | null)?.[key], value);
  return typeof found === 'string' ? found : null;
}

/** The value itself when it has no text at `place`. */
function changedAt<T extends object>(value: T, place: Place, change: (text: string) => string): T {
  const text = textAt(value, place);
  if (text === null) return value;
  const [key, ...rest] = place as [string, ...string[]];
  const part = (value as Record<string, unknown>)[key];
  return { ...value, [key]: rest.length === 0 ? change(text) : changedAt(part as object, rest, change) };
}
