/** The programs in the README and in docs/data.md: each is one that compiles, and that Node.js can run. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** The code blocks of a page in a language, in order. */
function blocks(page: string, language: string): string[] {
  const pattern = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms');
  return [...page.matchAll(pattern)].map((match) => match[1] ?? '');
}

/** A folder in the package, whose files know it by its name, with these files. */
async function folder(files: Record<string, string>): Promise<string> {
  await mkdir(join(root, 'build'), { recursive: true });
  const path = await mkdtemp(join(root, 'build', 'docs-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
  return path;
}

/** Compiles a folder's files, and returns what the compiler says. */
async function compile(path: string): Promise<string> {
  const options = { outDir: 'out', allowJs: true, checkJs: true, incremental: false };
  const config = { extends: '../../tsconfig.base.json', compilerOptions: options };
  await writeFile(join(path, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  try {
    return (await run(process.execPath, [tsc, '-p', path])).stdout;
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

/** What Node.js says of a file's syntax. */
async function check(path: string): Promise<string> {
  try {
    return (await run(process.execPath, ['--check', path])).stderr;
  } catch (error) {
    return (error as { stderr: string }).stderr;
  }
}

test.each([
  ['README.md', ['ts', 'js']],
  ['docs/data.md', ['ts']],
] as const)('%s shows programs that compile', async (name, languages) => {
  const page = await readFile(join(root, name), 'utf8');
  const files: Record<string, string> = {};
  for (const language of languages) {
    const extension = language === 'ts' ? 'mts' : 'mjs';
    const found = blocks(page, language);
    expect(found.length, language).toBeGreaterThan(0);
    for (const [index, text] of found.entries()) files[`${language}-${index}.${extension}`] = text;
  }
  const path = await folder(files);
  expect(await compile(path)).toBe('');
  // JavaScript as it stands there, and what is left of TypeScript.
  for (const name of Object.keys(files)) {
    const program = name.endsWith('.mjs') ? name : join('out', name.replace('.mts', '.mjs'));
    expect(await check(join(path, program)), program).toBe('');
  }
  expect(await readdir(join(path, 'out'))).toHaveLength(Object.keys(files).length);
});

test('a program that does not compile is found', async () => {
  const path = await folder({ 'a.mts': "import { none } from 'neuronode';\nnone();\n" });
  expect(await compile(path)).toMatch(/no exported member.*none/);
  await writeFile(join(path, 'b.mjs'), 'let = ;');
  expect(await check(join(path, 'b.mjs'))).toMatch(/SyntaxError/);
});
