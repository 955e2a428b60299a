const WORDS = 1 << 20;

/** 4 MiB that are the same in every process, and in which no stretch comes twice. */
export function patternFile(): Buffer {
  const words = new Uint32Array(WORDS);
  for (let i = 0; i < WORDS; i++) words[i] = Math.imul(i + 1, 0x9e3779b1);
  return Buffer.from(words.buffer);
}
