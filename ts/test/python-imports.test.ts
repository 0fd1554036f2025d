/**
 * The Python of the benchmark and of the fixtures runs only where PyTorch is installed, which tests do
 * without. What can be seen without it: that a module has each name that another imports from it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const files = ['bench', 'scripts/fixtures'].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.py'))
    .map((name) => join(root, folder, name)),
);
const sources = new Map(files.map((file) => [basename(file, '.py'), readFileSync(file, 'utf8')]));

/** [importing module, module, name] of every `from <module of ours> import <name>`. */
function imports(): [string, string, string][] {
  const form = /^from (\w+) import (?:\(([^)]*)\)|(.*))$/gm;
  return [...sources].flatMap(([importer, source]) =>
    [...source.matchAll(form)]
      .filter(([, module]) => sources.has(module!))
      .flatMap(([, module, inBrackets, inLine]) =>
        (inBrackets ?? inLine!.replace(/#.*/, ''))
          .split(',')
          .map((name) => name.trim())
          .filter((name) => name !== '')
          .map((name): [string, string, string] => [importer, module!, name]),
      ),
  );
}

test.each(imports())('%s imports from %s what is there: %s', (_, module, name) => {
  expect(sources.get(module)).toMatch(new RegExp(`^(def |class )?${name}\\b`, 'm'));
});
