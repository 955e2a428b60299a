/**
 * Major versions of Node that the tests run on (.github/workflows/ci.yml): their handles and system calls are known to
 * work.
 */
export const TESTED_NODE_VERSIONS: readonly number[] = [22, 24, 26];
