/**
 * Why a test may be left out: anything else that is skipped fails the run. What a package can mend goes into
 * test-programs.ts instead.
 */
export const ALLOWED_SKIPS: readonly RegExp[] = [
  // Raw messages of other projects, which lie beside the repository and not in it.
  /^the corpus is not at /,
  // A shallow clone, or no git.
  /^the history of this clone does not have limpet 0\.1 /,
  // What a machine or the user of it cannot do, and no package changes.
  /^no IPv6 on this machine$/,
  /^no container can run here: /,
  /^root may read and write everything$/,
  /^needs Linux and the repository$/,
  /^needs \/proc$/,
  // Node 22 and 24, or --no-experimental-ffi: see scripts/test-engines.ts.
  /^this Node has no node:ffi$/,
  /^how a full accept queue behaves is known of Linux only$/,
];
