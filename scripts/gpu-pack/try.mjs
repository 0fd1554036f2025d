/**
 * Owns how the pack is tried where there is no GPU: in a bare Debian root that has no Node.js, Python
 * or C++ library, through run.sh, with the emulated device in the place of the CUDA backend. What is
 * checked is what its result files say. Times are not judged.
 */
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { rootObstacle, withBareRoot } from '../fresh/root.mjs';
import { sections } from '../gpu-check/list.mjs';
import { mostApart } from '../gpu-check/sections/device.mjs';
import { bootstrap } from '../lib/bootstrap.mjs';
import { cudaObstacle } from '../lib/cuda-toolchain.mjs';
import { inRoot, releaseDir } from '../lib/paths.mjs';
import { note, StepError, step } from '../lib/report.mjs';
import { ensureSystem } from '../lib/system.mjs';
import { makePack } from './pack.mjs';

const suite = 'bookworm';
const emulated = `${releaseDir}/Release/libneuronode_cuda_emulated.so`;
/** What the emulated device reads, by the path that it was compiled with. */
const plans = inRoot('native', 'test', 'cuda', 'planning', 'plans.txt');
/** Sections that have nothing to find without a GPU; the others must pass. */
const hardwareOnly = ['native', 'sanitizers'];

function requireThat(condition, message, log) {
  if (!condition) throw new StepError(message, { log });
}

/** Runs a pack in a bare root; gives its results. */
async function runBare(pack) {
  return withBareRoot(suite, async (bare) => {
    cpSync(pack, `${bare.path}/pack`, { recursive: true });
    copyFileSync(emulated, `${bare.path}/emulated.so`);
    mkdirSync(dirname(`${bare.path}${plans}`), { recursive: true });
    copyFileSync(plans, `${bare.path}${plans}`);
    // A machine whose C++ library is older than ours, which is the pack's to make good.
    const folders = readdirSync(`${bare.path}/usr/lib`).filter((name) =>
      name.endsWith('-linux-gnu'),
    );
    for (const name of folders)
      rmSync(`${bare.path}/usr/lib/${name}/libstdc++.so.6`, { force: true });
    const log = inRoot('build', 'log', 'gpu-pack.log');
    const words = ['bash', '/pack/run.sh', '--minutes', '5', '--out', '/results'];
    const env = { NEURONODE_CUDA_LIBRARY: '/emulated.so' };
    const { status } = await bare.run(words, { log, env });
    const files = readdirSync(`${bare.path}/results`).sort().join();
    requireThat(files === 'results.json,results.md', `The results are ${files}.`, log);
    const read = (name) => readFileSync(`${bare.path}/results/${name}`, 'utf8');
    requireThat(status === 0, `run.sh ended with status ${status}.`, log);
    return { results: JSON.parse(read('results.json')), markdown: read('results.md'), log };
  });
}

function checkResults({ results, markdown, log }) {
  requireThat(
    results.emulated === true,
    'The results do not say that the device is emulated.',
    log,
  );
  requireThat(markdown.includes('**Emulated device:'), 'results.md does not say so.', log);
  for (const { name, title, outcome, reason, checks } of results.sections) {
    const wanted = hardwareOnly.includes(name) ? 'not applicable' : 'passed';
    requireThat(outcome === wanted, `${name} must be ${wanted}; it is ${outcome}: ${reason}`, log);
    requireThat(markdown.includes(`## ${title}\n`), `results.md lacks ${title}.`, log);
    if (outcome === 'passed') requireThat(checks.length > 0, `${name} checked nothing.`, log);
    else requireThat(reason !== '', `${name} does not say why it was not applicable.`, log);
  }
}

/** What single sections must have found, beyond that they passed. */
function checkFindings({ results, log }) {
  const all = new Map(results.sections.map((section) => [section.name, section]));
  requireThat(
    [...all.keys()].join() === sections.map(({ name }) => name).join(),
    `The results have the sections ${[...all.keys()].join(', ')}.`,
    log,
  );
  const { peaks: reached, tf32, bf16 } = all.get('device').data;
  const tells = [...tf32, ...bf16].every((error) => error > mostApart);
  requireThat(tells, `Products differ by ${[tf32, bf16]}, too little to be told from f32.`, log);
  const { bandwidth, flops } = reached;
  const peaks = [bandwidth, flops.f32, flops.tf32, flops.bf16];
  requireThat(
    peaks.every((peak) => peak > 0),
    `Peaks were measured as ${peaks}.`,
    log,
  );
  const operations = all.get('operations').checks.length;
  requireThat(operations > 100, `Of the operation table ${operations} rows were checked.`, log);
  const tests = Number(all.get('native').facts.find(({ name }) => name === 'tests')?.value);
  requireThat(tests > 40, `The native tests listed ${tests}; they must start here.`, log);
  const rows = all
    .get('steps')
    .data.steps.map(({ precision, eager, recorded }) =>
      eager > 0 && recorded > 0 ? precision : `${precision} without times`,
    );
  requireThat(rows.join() === 'f32,tf32,bf16', `Steps were measured in ${rows.join(', ')}.`, log);
  const said = all.get('steps').facts.some(({ value }) => value.startsWith('not applicable'));
  requireThat(said, 'The steps do not say why PyTorch was not measured.', log);
}

/** The pack as a section of the gate: elsewhere than in CI, what cannot be tried is only said. */
export async function gpuPack() {
  const obstacle = cudaObstacle() ?? rootObstacle();
  if (obstacle !== undefined) {
    if (process.env.CI !== undefined) throw new StepError(`Cannot try the GPU pack: ${obstacle}.`);
    note(`not tried, since ${obstacle}; CI tries it`);
    return { ok: true };
  }
  await bootstrap('test');
  await step('system packages', (progress) => ensureSystem(['debootstrap'], progress));
  const folder = inRoot('build', 'gpu-pack');
  let lines = [];
  await step('GPU pack', async () => {
    lines = await makePack(folder);
    return 'made';
  });
  for (const line of lines) note(line);
  await step('GPU pack in a bare Debian', async () => {
    const tried = await runBare(folder);
    checkResults(tried);
    checkFindings(tried);
    return tried.results.sections
      .map(({ name, outcome, seconds }) => `${name} ${outcome} in ${seconds} s`)
      .join(', ');
  });
  return { ok: true };
}
