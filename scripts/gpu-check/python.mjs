/**
 * Owns the way to this machine's Python: the first that has PyTorch, or else the first; which PyTorch
 * it has, and where in its wheels NVIDIA's libraries lie. Nothing is imported to find out, since
 * importing PyTorch takes seconds and may fail.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

const question = `
import json, os, sys
try:
    from importlib.metadata import version
    torch = version("torch")
except Exception:
    torch = None
starts = ("libcublas.so.", "libcublasLt.so.", "libcudnn.so.", "libnvrtc.so.")
folders = []
for base in sys.path:
    for place in ("nvidia", os.path.join("torch", "lib")):
        for folder, inner, names in os.walk(os.path.join(base, place)):
            inner[:] = [name for name in inner if name != "include"]
            if folder not in folders and any(name.startswith(starts) for name in names):
                folders.append(folder)
print(json.dumps({"version": sys.version.split()[0], "torch": torch, "folders": folders}))
`;

/** Foreign programs get the environment without our libraries, which may be older than theirs. */
export function foreignEnvironment(env = process.env) {
  const { LD_LIBRARY_PATH, NEURONODE_PACK_LIBRARIES, ...rest } = env;
  const ours = (NEURONODE_PACK_LIBRARIES ?? '').split(':');
  const left = (LD_LIBRARY_PATH ?? '').split(':').filter((each) => each && !ours.includes(each));
  return left.length > 0 ? { ...rest, LD_LIBRARY_PATH: left.join(':') } : rest;
}

/** What is in a folder: nothing where it is none, or may not be read. */
function namesIn(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function candidates() {
  const { NEURONODE_PYTHON, VIRTUAL_ENV, CONDA_PREFIX, HOME, PATH = '' } = process.env;
  const prefixes = [VIRTUAL_ENV, CONDA_PREFIX].filter(Boolean).map((each) => `${each}/bin`);
  const usual = [
    '/opt/conda/bin',
    '/opt/venv/bin',
    '/usr/local/bin',
    '/usr/bin',
    `${HOME}/.local/bin`,
  ];
  const folders = new Set([...prefixes, ...PATH.split(':'), ...usual]);
  const programs = [...folders].flatMap((folder) =>
    namesIn(folder)
      .filter((name) => /^python3(\.\d+)?$/.test(name))
      .sort((a, b) => a.length - b.length)
      .map((name) => `${folder}/${name}`),
  );
  return NEURONODE_PYTHON ? [NEURONODE_PYTHON, ...programs] : programs;
}

/**
 * @returns {{ path: string, version: string, torch: string | null, folders: string[] } | null} null
 *   where there is no Python that answers.
 */
export function findPython() {
  let first = null;
  for (const path of candidates()) {
    const { status, stdout } = spawnSync(path, ['-c', question], {
      encoding: 'utf8',
      env: foreignEnvironment(),
      timeout: 60_000, // where the disk is cold
    });
    if (status !== 0) continue;
    let answer;
    try {
      answer = { path, ...JSON.parse(stdout.trim().split('\n').at(-1)) };
    } catch {
      continue; // no Python after all
    }
    if (answer.torch !== null) return answer;
    first ??= answer;
  }
  return first;
}
