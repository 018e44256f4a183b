import { defineConfig } from 'vitest/config';

/**
 * Three projects. `unit` lies beside the source, `promise` under test/ and answers within seconds; both are `npm test`.
 * `long` holds what needs minutes (crash rounds, soaks) and is `npm run test:long`.
 *
 * Files share their threads' module state (no isolation: five times faster), so a test leans on no global that another
 * file may have changed.
 */
export default defineConfig({
  test: {
    pool: 'threads',
    isolate: false,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    projects: [
      { extends: true, test: { name: 'unit', include: ['src/**/*.test.ts'] } },
      {
        extends: true,
        test: { name: 'promise', include: ['test/**/*.test.ts'], exclude: ['test/**/*.long.test.ts'] },
      },
      {
        extends: true,
        test: { name: 'long', include: ['test/**/*.long.test.ts'], testTimeout: 600_000, hookTimeout: 120_000 },
      },
    ],
  },
});
