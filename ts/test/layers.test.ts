/** The check of ts/src's layers: what it finds, and that it finds nothing here. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from './data-support.js';

const script = new URL('../../scripts/lib/layers.mjs', import.meta.url).href;
const { layerFaults } = (await import(script)) as { layerFaults(root: string): string[] };

async function treeOf(files: Record<string, string>): Promise<string> {
  const root = await temporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
  return root;
}

describe('the layers', () => {
  test('are kept', () => {
    expect(layerFaults(fileURLToPath(new URL('../src', import.meta.url)))).toEqual([]);
  });

  test('show imports upward, sideward and in a circle, type imports too', async () => {
    const root = await treeOf({
      'errors.ts': '',
      'graph/spec.ts': "import type { Program } from '../program/native.js';",
      'program/native.ts': "import { a } from '../errors.js';\nimport './addon.js';",
      'program/addon.ts': "export type { B } from './native.js';",
      'predict/predictor.ts': "import {\n  c,\n} from '../train/batch.js';",
      'train/batch.ts': "const late = await import('../program/native.js');",
      'extra/thing.ts': '',
    });
    expect(layerFaults(root).sort()).toEqual([
      'extra/thing.ts: the folder extra has no layer in scripts/lib/layers.mjs',
      'graph/spec.ts imports program/native.ts: graph is not above program',
      expect.stringMatching(/^imports in a circle: program\/\w+\.ts -> .* -> program\/\w+\.ts$/),
      'predict/predictor.ts imports train/batch.ts: predict is not above train',
    ]);
  });
});
