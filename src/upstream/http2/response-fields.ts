import { CONNECTION_FIELD_IDS } from '../../http1/connection-fields.ts';
import type { FieldBlock } from '../../http1/field-block.ts';

/** 1 for the fields that HTTP/2 does not have (RFC 9113 8.2.2), by HeaderId. */
const DROPPED = new Uint8Array(64);
for (const id of CONNECTION_FIELD_IDS) DROPPED[id] = 1;

/**
 * Adds the field lines of a head of HTTP/1.1 to `list`, names in lower case and values by turns, in their order and
 * number (behaviour 66).
 */
export function responseFields(block: FieldBlock, list: string[]): string[] {
  for (let i = 0; i < block.count; i++) {
    if (DROPPED[block.id(i)] === 0) list.push(block.name(i).toLowerCase(), block.value(i));
  }
  return list;
}

/** The same by name: the form in which node:http2 takes 1xx responses and trailers. */
export function fieldsByName(block: FieldBlock): Record<string, string[]> {
  const list = responseFields(block, []);
  const fields: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  for (let i = 0; i < list.length; i += 2) {
    const lines = (fields[list[i]!] ??= []);
    lines.push(list[i + 1]!);
  }
  return fields;
}
