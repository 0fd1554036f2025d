/**
 * Owns the check that ts/src keeps to its layers (docs/architecture.md): a file imports from its own
 * folder and from layers below, and no imports go in a circle. Type imports count: they tie files
 * together as well.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

/** From the bottom up; folders of one line know nothing of each other. */
const layers = [
  ['the files of ts/src itself'],
  ['graph'],
  ['program'],
  ['safetensors', 'random'],
  ['nn', 'data', 'ops'],
  ['optim', 'models'],
  ['train', 'predict'],
  ['cli'],
  ['index'],
];
const levels = new Map(layers.flatMap((names, level) => names.map((name) => [name, level])));

/** Files of ts/src itself that are not of the lowest layer. */
const placed = new Map([
  ['safetensors.ts', 'safetensors'],
  ['safetensors-format.ts', 'safetensors'],
  ['index.ts', 'index'],
]);

/** @param {string} file Path in ts/src. */
function folderOf(file) {
  const [folder, ...more] = file.split('/');
  if (more.length > 0) return folder;
  return placed.get(file) ?? layers[0][0];
}

/** @param {string} text */
function importsOf(text) {
  return [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)\.js'/g)].map(([, path]) => path);
}

/** Every file's imports, as paths in the folder. */
function readImports(root) {
  const graph = new Map();
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const path = join(entry.parentPath, entry.name);
    const file = relative(root, path);
    const found = importsOf(readFileSync(path, 'utf8'));
    graph.set(
      file,
      found.map((each) => normalize(join(dirname(file), `${each}.ts`))),
    );
  }
  return graph;
}

/** The first circle that a walk finds from each file, each once. */
function circles(graph) {
  const found = [];
  const done = new Set();
  const visit = (file, path) => {
    const at = path.indexOf(file);
    if (at >= 0) found.push([...path.slice(at), file]);
    if (at >= 0 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}

/**
 * What is wrong, a line for each.
 *
 * @param {string} root The folder: ts/src.
 * @returns {string[]}
 */
export function layerFaults(root) {
  const graph = readImports(root);
  const faults = circles(graph).map((files) => `imports in a circle: ${files.join(' -> ')}`);
  for (const [file, targets] of graph) {
    const from = folderOf(file);
    if (!levels.has(from)) {
      faults.push(`${file}: the folder ${from} has no layer in scripts/lib/layers.mjs`);
      continue;
    }
    for (const target of targets) {
      const to = folderOf(target);
      if (from === to || !levels.has(to) || levels.get(to) < levels.get(from)) continue;
      faults.push(`${file} imports ${target}: ${from} is not above ${to}`);
    }
  }
  return faults;
}
