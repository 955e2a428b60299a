/**
 * What is known of the ids that the processes of a backend give themselves (`Limpet-Backend: boot=ID`), for another
 * process: see BootIds.
 */
export interface KnownBoots {
  /** As hashes, 16 hexadecimal digits each: the current one, then those that were left, the latest first. */
  readonly ids: readonly string[];
  /** Several processes answer: their ids say nothing. */
  readonly off: boolean;
}

const ID = /^[0-9a-f]{16}$/;

/** Whether this is what JSON.stringify made of a KnownBoots. */
export function isKnownBoots(value: unknown): value is KnownBoots {
  const { ids, off } = (value ?? {}) as Partial<KnownBoots>;
  return Array.isArray(ids) && ids.every((id) => typeof id === 'string' && ID.test(id)) && typeof off === 'boolean';
}
