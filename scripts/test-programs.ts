/** A program of a Debian package that tests run. */
export interface TestProgram {
  /** Names under which it may be installed. */
  readonly names: readonly string[];
  readonly debian: string;
  /** Files of tests that need it; absent: it is small, and always wanted. */
  readonly tests?: RegExp;
  /** Only `npm run test:real` needs it. */
  readonly real?: true;
  /** Environment variable that may name another file; empty: none does. */
  readonly variable: string;
}

/** Every program that tests run and that a minimal Debian does not have. */
export const TEST_PROGRAMS: readonly TestProgram[] = [
  { names: ['openssl'], debian: 'openssl', variable: '' },
  { names: ['curl'], debian: 'curl', variable: '' },
  { names: ['git'], debian: 'git', variable: '' },
  { names: ['h2load'], debian: 'nghttp2-client', variable: '', tests: /http2/ },
  {
    names: ['redis-server', 'valkey-server'],
    debian: 'redis-server',
    variable: 'REDIS_SERVER',
    tests: /redis|nodes|session-end|users/,
  },
  { names: ['php'], debian: 'php-cli', variable: 'PHP', tests: /presets\/php/ },
  {
    names: ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'],
    debian: 'chromium',
    variable: 'CHROMIUM',
    tests: /browser|dashboard/,
  },
  { names: ['podman', 'docker'], debian: 'podman', variable: 'PODMAN', tests: /integration\/image/, real: true },
];
