/**
 * The snapshot file, little-endian:
 *
 *     MAGIC | version u32 | bytes of a row u32 | rows, see snapshot-record | description as JSON, see
 *     snapshot-description
 *     number of rows u32 | bytes of the description u32 | CRC-32 of all before it u32 | END
 *
 * The description comes last because the names of the rows' backends are known only then.
 */
export const MAGIC = 'limpet sessions\n';
export const END = 'end\n';
/** Of the layout: a file of a later one is not read. */
export const VERSION = 1;
export const START_BYTES = MAGIC.length + 8;
export const TRAILER_BYTES = 12 + END.length;
