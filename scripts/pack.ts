// `npm run pack`: writes the published package into dist/package/ and its tarball into dist/. The root package is private
// (it carries Node itself and the tools), so the published package.json is made here, from the root's and from which
// entries exist.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { joinPackage, PLACE } from './join-package.ts';

const root = join(import.meta.dirname, '..');
const out = join(root, 'dist/package');
const subpaths = ['workflow', 'activity', 'client', 'worker', 'common', 'testing'];
const hasEntry = (name: string): boolean => existsSync(join(root, 'src/entry', `${name}.ts`));

interface RootPackage {
  readonly version: string;
  readonly license: string;
  readonly engines: Record<string, string>;
  readonly dependencies: Record<string, string>;
}
const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as RootPackage;

rmSync(join(root, 'dist'), { recursive: true, force: true });
execFileSync(process.execPath, [join(root, 'scripts/run.cjs'), 'tsc', '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
// What the source reads at run time beside itself (SQL, JSON) goes along unchanged.
cpSync(join(root, 'src'), join(out, 'lib'), {
  recursive: true,
  filter: (from) => !from.endsWith('.ts') && !from.endsWith('.tsx'),
});
for (const name of ['README.md', 'LICENSE', 'ARCHITECTURE.md', 'docs'])
  cpSync(join(root, name), join(out, name), { recursive: true });

const entries = subpaths.filter(hasEntry);
await joinPackage(join(out, 'lib'), entries);
writeFileSync(
  join(out, 'package.json'),
  `${JSON.stringify(
    {
      name: 'pleach',
      version: own.version,
      description: 'Durable workflows in plain TypeScript, on one SQLite file or on PostgreSQL',
      license: own.license,
      type: 'module',
      engines: own.engines,
      sideEffects: ['./lib/entry/*.js', './lib/node/*.js'],
      imports: { [PLACE]: './lib/core/place.js' },
      exports: {
        ...Object.fromEntries(
          entries.map((name) => [`./${name}`, { types: `./lib/entry/${name}.d.ts`, default: `./lib/node/${name}.js` }]),
        ),
        './package.json': './package.json',
      },
      ...(hasEntry('cli') ? { bin: { pleach: './lib/entry/cli.js' } } : {}),
      files: ['lib', 'docs', 'ARCHITECTURE.md'],
      dependencies: own.dependencies,
    },
    undefined,
    2,
  )}\n`,
);
const npm = process.env['npm_execpath'];
const packArgs = ['pack', '--pack-destination', join(root, 'dist'), '--loglevel=error'];
execFileSync(npm === undefined ? 'npm' : process.execPath, npm === undefined ? packArgs : [npm, ...packArgs], {
  cwd: out,
  stdio: 'inherit',
});
console.log(`entries: ${entries.length === 0 ? 'none yet' : entries.join(', ')}`);
