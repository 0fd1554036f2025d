/**
 * Owns the section on single operations: every row of ts/test/op-cases.json against PyTorch's
 * operation. Ours are kernels and the reorders from and to plain layout, without the copies of
 * inputs and outputs; PyTorch's are calls from Python, whose overhead of some microseconds is most
 * of the time of small rows.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { bytes, floats, labels, type OpCase, opCases } from '../ts/test/op-cases.js';
import { caseGraph } from '../ts/test/op-graph.js';
import { graphs, native } from './inside.js';
import { PAUSE_MS } from './measure.js';
import { type Phase, sumOf } from './ours.js';
import type { Timing } from './report.js';
import { type Bench, timing } from './speed.js';

const table = new URL('../../ts/test/op-cases.json', import.meta.url); // from build/bench
const runsPerRound = 10;

type Graph = ReturnType<typeof caseGraph>;
type Inputs = Parameters<Awaited<ReturnType<typeof native.compile>>['profile']>[0];

const batchOf = ({ shapes }: OpCase): number => Object.values(shapes)[0]?.[0] ?? 1;

function inputsOf(opCase: OpCase, { values }: Graph): Inputs {
  const inputs: Record<string, Inputs[string]> = {};
  for (const { kind, name, dtype, shape } of values) {
    if (kind !== 'input') continue;
    if (name === 'count') inputs[name] = Number(opCase.attrs[name] ?? batchOf(opCase));
    else if (shape.length === 0)
      inputs[name] = Number(opCase.attrs[name] ?? 1); // a step is the first
    else if (dtype === 'u8') inputs[name] = bytes(opCase, name);
    else if (dtype === 'i32') inputs[name] = labels(opCase, name);
    else inputs[name] = floats(opCase, name, shape);
  }
  return inputs;
}

/** Medians of forward and backward of each row; a forward operation may be an optimizer's step. */
export async function timeOps(bench: Bench): Promise<Timing[]> {
  const runs = runsPerRound * bench.options.rounds;
  const timings: Timing[] = [];
  for (const opCase of opCases(table)) {
    if (opCase.op === 'reshape') continue; // a name for the same memory on both sides
    const graph = caseGraph(opCase, graphs);
    const program = await native.compile(graph, { device: 'cpu', algorithm: 'auto' });
    await sleep(PAUSE_MS);
    const kernels = await program.profile(inputsOf(opCase, graph), runs);
    await program.dispose();
    await sleep(PAUSE_MS);
    const peer = await bench.peer?.op(opCase.op, opCase.name, runs);
    const add = (phase: Phase, peerMs: number | undefined) => {
      const medians = { ours: sumOf(kernels, phase), peer: peerMs };
      timings.push(timing(bench, `${opCase.id} ${phase}`, batchOf(opCase), medians));
    };
    const peerBackward = peer?.backward ?? 0;
    if (opCase.gradients.length > 0) {
      add('forward', peer?.forward);
      add('backward', peer && peerBackward);
    } else {
      // Cross entropy: ours gives loss and gradient in one pass.
      add('forward', peer && peer.forward + peerBackward);
    }
  }
  return timings;
}
