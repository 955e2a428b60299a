/**
 * Text up to this size goes out as one string: libuv tries it from the stack, without a request object, and keeps only
 * what is left of it. More goes out as bytes.
 */
export const TEXT_BYTES = 16_384;
