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
import type { NetworkName } from './networks.js';
import { timeOps } from './ops.js';
import { networkSections, type Options, otherSections, parseOptions, usage } from './options.js';
import { missingPeer, Peer, type PeerSettings } from './peer.js';
import { timePrimitives } from './primitives.js';
import { asMarkdown, asText, type Measure, type Report, type Timing } from './report.js';
import { type Bench, type Subject, subjectOf, timeInference, timeSteps } from './speed.js';

async function run(options: Options): Promise<Report> {
  const machine = describeMachine();
  setNumThreads(options.threads);
  await using peer = options.peer ? await Peer.start(options.threads) : undefined;
  const bench: Bench = {
    options,
    peer,
    peerName: peer === undefined ? null : `${peer.info.name} ${peer.info.version}`,
    subject: `neuronode ${packageVersion()}`,
  };
  const results: Timing[] = [];
  const measures: Measure[] = [];
  const settings: Partial<Record<NetworkName, PeerSettings>> = {};
  const wanted = networkSections.filter((section) => options.only.has(section));
  for (const name of wanted.length > 0 ? options.models : []) {
    const subject = subjectOf(name, options);
    if (peer !== undefined) settings[name] = await calibrate(peer, subject, options);
    const runs = {
      step: async () => results.push(...(await timeSteps(bench, subject))),
      inference: async () => results.push(...(await timeInference(bench, subject))),
      primitives: async () => measures.push(...(await timePrimitives(bench, subject))),
      memory: async () => measures.push(...(await measureMemory(bench, subject, settings[name]))),
    };
    for (const section of wanted) {
      console.error(`bench: ${name} ${section} ...`);
      await runs[section]();
    }
  }
  const runs = {
    loader: async () => measures.push(...(await measureLoader(options))),
    fit: async () => measures.push(...(await measureFit(options))),
    held: async () => measures.push(...(await measureHolds(options))),
    ops: async () => results.push(...(await timeOps(bench))),
  };
  for (const section of otherSections) {
    if (!options.only.has(section)) continue;
    console.error(`bench: ${section} ...`);
    await runs[section]();
  }
  return { machine, peer: peer ? { ...peer.info, settings } : null, results, measures };
}

/** The peer takes up the network, with the settings that are its fastest. */
async function calibrate(
  peer: Peer,
  { name, network, batch }: Subject,
  { quick }: Options,
): Promise<PeerSettings> {
  const { info } = peer;
  console.error(`bench: ${info.name} ${info.version}: looking for the fastest ${name} ...`);
  await peer.network(network);
  return peer.calibrate(batch, quick ? 1 : 3);
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
