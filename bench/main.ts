/**
 * `npm run bench`: neuronode against PyTorch on this machine, in one run. See options.ts for the
 * command line, measure.ts for how the two are timed, peer_pytorch.py for the peer's settings.
 * Exit status 1 where the peer is missing, unless --no-peer.
 */
import { writeFileSync } from 'node:fs';
import { setNumThreads } from 'neuronode';
import { measureFit, measureLoader } from './data.js';
import { measureHolds } from './held.js';
import { describeMachine, packageVersion } from './machine.js';
import { measureMemory } from './memory.js';
import { timeOps } from './ops.js';
import { type Options, parseOptions, type Section, sections, usage } from './options.js';
import { missingPeer, Peer, type PeerSettings } from './peer.js';
import { timePrimitives } from './primitives.js';
import { asMarkdown, asText, type Measure, type Report, type Timing } from './report.js';
import { type Bench, timeInference, timeSteps } from './speed.js';

async function run(options: Options): Promise<Report> {
  const machine = describeMachine();
  setNumThreads(options.threads);
  await using peer = options.peer ? await Peer.start(options.threads) : undefined;
  const settings = peer && (await calibrate(peer, options));
  const bench: Bench = {
    options,
    peer,
    peerName: peer === undefined ? null : `${peer.info.name} ${peer.info.version}`,
    subject: `neuronode ${packageVersion()}`,
  };
  const results: Timing[] = [];
  const measures: Measure[] = [];
  const runs: Record<Section, () => Promise<unknown>> = {
    step: async () => results.push(...(await timeSteps(bench))),
    inference: async () => results.push(...(await timeInference(bench))),
    primitives: async () => measures.push(...(await timePrimitives(bench))),
    memory: async () => measures.push(...(await measureMemory(bench, settings))),
    loader: async () => measures.push(...(await measureLoader(options))),
    fit: async () => measures.push(...(await measureFit(options))),
    held: async () => measures.push(...(await measureHolds(options))),
    ops: async () => results.push(...(await timeOps(bench))),
  };
  for (const section of sections) {
    if (!options.only.has(section)) continue;
    console.error(`bench: ${section} ...`);
    await runs[section]();
  }
  const described = peer && settings && { ...peer.info, ...settings };
  return { machine, peer: described ?? null, results, measures };
}

async function calibrate(peer: Peer, options: Options): Promise<PeerSettings> {
  console.error(
    `bench: ${peer.info.name} ${peer.info.version}: looking for its fastest settings ...`,
  );
  return peer.calibrate(options.batch, options.quick ? 1 : 3);
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    console.log(usage);
    return;
  }
  const missing = options.peer ? missingPeer() : undefined;
  if (missing !== undefined) throw new Error(missing);
  const report = await run(options);
  console.log(options.markdown ? asMarkdown(report) : asText(report));
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
    console.error(`bench: wrote ${options.json}`);
  }
}

try {
  await main();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
