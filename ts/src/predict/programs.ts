/**
 * Owns the programs of a predictor: one for each number of images, all with the same parameters.
 *
 * Policy: a program is compiled when it is first needed, and shares the parameters of the first.
 * Before a call runs, the network's newest parameters are written if they changed; calls under way
 * end first, and later ones wait, so that each call computes with the values of one moment.
 */
import { ArgumentError, DisposedError, ShapeError } from '../errors.js';
import type { Shape } from '../graph/shapes.js';
import type { Module, Outputs } from '../nn/index.js';
import type { Pixels } from '../pixels.js';
import { describeSignature, type InputSignature, sameSignature } from '../program/batch.js';
import { CompiledGraph, type RunOutputs } from '../program/compiled.js';
import { checkParameters, imageSpec, outputShape, traceFor } from '../program/graph-facts.js';
import { predictGraph, type TracedGraph } from '../program/graphs.js';
import type { NativeProgram } from '../program/native.js';
import type { CompileTarget } from '../program/target.js';
import { TaskQueue } from '../program/task-queue.js';
import { ProgramWeights } from '../program/weights.js';
import { WaitingCalls } from '../waiting.js';
import { type Part, partsOf, programSizes } from './sizes.js';

/** What a predictor computes, and where. */
export interface PredictProgramsOptions {
  readonly net: Module<Outputs>;
  readonly target: CompileTarget;
  /** Whether probabilities are wanted, where the network returns [N, classes]. */
  readonly softmax: boolean;
  /** Images that the device takes at a time. */
  readonly batchSize: number;
}

/** One run of a call. */
export interface PartRun extends Part {
  run(images: Pixels): Promise<RunOutputs>;
}

/** A call that was checked. */
export interface Call {
  /** Shape of what the network returns for one image. */
  readonly shape: Shape;
  /** Runs the parts, two at a time; what fails last is of no interest any more. */
  run(task: (part: PartRun) => Promise<void>): Promise<void>;
}

/** The programs of one predictor. */
export class PredictPrograms {
  readonly #options: PredictProgramsOptions;
  readonly #sizes: readonly number[];
  readonly #graphs = new Map<number, CompiledGraph>();
  readonly #queue = new TaskQueue();
  readonly #waiting = new WaitingCalls('images');
  readonly #running = new Set<Promise<void>>();
  #signature: InputSignature | undefined;
  #base: { graph: CompiledGraph; program: NativeProgram; weights: ProgramWeights } | undefined;
  #disposal: Promise<void> | undefined;

  constructor(options: PredictProgramsOptions) {
    this.#options = options;
    this.#sizes = programSizes(options.batchSize);
  }

  /** @throws DisposedError after {@link dispose}. */
  assertUsable(caller: string): void {
    if (this.#disposal === undefined) return;
    throw new DisposedError(`${caller}: the predictor was disposed of; make a new Predictor`);
  }

  /**
   * Checks n images of a kind and traces what they need.
   *
   * @throws ShapeError where the network does not take them, or earlier calls had others.
   */
  begin(caller: string, signature: InputSignature, n: number): Call {
    const known = this.#signature;
    if (known !== undefined && !sameSignature(known, signature)) {
      throw new ShapeError(
        `${caller} expects images ${describeSignature(known)}, as in its first call, ` +
          `got ${describeSignature(signature)}. Make a Predictor for each kind of image.`,
      );
    }
    let parts = partsOf(n, this.#sizes);
    const first = this.#graphFor(signature, parts[0]!.batchSize, n);
    // Who reads how many rows are real makes one row's result depend on the others.
    if (first.traced.inputs.has('count')) parts = partsOf(n, this.#sizes.slice(-1));
    const graphs = parts.map(({ batchSize }) => this.#graphFor(signature, batchSize, n));
    checkParameters(caller, graphs[0]!.traced, this.#options.net);
    this.#signature = signature;
    return {
      shape: outputShape(graphs[0]!.traced),
      run: async (task) => {
        // No more of the images is copied at a time than two parts of them.
        const copied = Math.min(n, 2 * this.#options.batchSize) * bytesOf(signature);
        const end = this.#waiting.begin(caller, copied);
        try {
          await this.#run(caller, parts, graphs, task);
        } finally {
          end();
        }
      },
    };
  }

  /** Waits for calls on the device, then frees its memory. Idempotent. */
  dispose(): Promise<void> {
    this.#disposal ??= (async () => {
      await this.#queue.settled();
      for (const graph of this.#graphs.values()) await graph.dispose();
    })();
    return this.#disposal;
  }

  #graphFor(signature: InputSignature, batchSize: number, n: number): CompiledGraph {
    const known = this.#graphs.get(batchSize);
    if (known !== undefined) return known;
    const { net, softmax, target } = this.#options;
    const traced = traceFor(n, batchSize, (rows): TracedGraph => {
      const each = predictGraph(net, imageSpec(signature, rows), softmax);
      outputShape(each);
      if (each.wholeBatches) {
        throw new ArgumentError(
          'Predictor expects a network whose images do not see each other in evaluation mode, got ' +
            'one that mixes the rows of a batch: small batches are padded',
        );
      }
      return each;
    });
    const graph = new CompiledGraph(traced, signature, target);
    this.#graphs.set(batchSize, graph);
    return graph;
  }

  async #run(
    caller: string,
    parts: readonly Part[],
    graphs: readonly CompiledGraph[],
    task: (part: PartRun) => Promise<void>,
  ): Promise<void> {
    const begin = () => this.#track(this.#runParts(caller, parts, graphs, task));
    if (this.#queue.idle && this.#isReady(graphs)) return begin();
    // The call begins inside its turn, so that no later turn changes parameters under it.
    const { call } = await this.#queue.enqueue(async () => {
      await this.#makeReady(caller, graphs);
      return { call: begin() };
    });
    return call;
  }

  #isReady(graphs: readonly CompiledGraph[]): boolean {
    return (
      this.#base?.weights.isCurrent() === true &&
      graphs.every(({ program }) => program !== undefined)
    );
  }

  async #makeReady(caller: string, graphs: readonly CompiledGraph[]): Promise<void> {
    for (const graph of new Set(graphs)) {
      this.assertUsable(caller);
      await this.#compile(graph);
    }
    const base = this.#base;
    await base?.weights.update(base.program, undefined, async () => {
      while (this.#running.size > 0) await Promise.all(this.#running);
    });
  }

  async #compile(graph: CompiledGraph): Promise<void> {
    try {
      const program = await graph.compile(this.#base?.graph);
      this.#base ??= { graph, program, weights: new ProgramWeights(graph) };
    } catch (error) {
      // Nothing is decided yet: the next call may have images of another kind.
      if (this.#base === undefined) {
        this.#graphs.clear();
        this.#signature = undefined;
      }
      throw error;
    }
  }

  async #runParts(
    caller: string,
    parts: readonly Part[],
    graphs: readonly CompiledGraph[],
    task: (part: PartRun) => Promise<void>,
  ): Promise<void> {
    let previous = Promise.resolve();
    for (const [index, part] of parts.entries()) {
      const run = async (image: Pixels) => {
        this.assertUsable(caller);
        const graph = graphs[index]!;
        return graph.run(graph.program!, { image, size: part.rows });
      };
      const done = task({ ...part, run });
      // Where the part before it fails, this one's failure is of no interest any more.
      done.catch(() => {});
      await previous;
      previous = done;
    }
    await previous;
  }

  /** Counts a call as under way until it ends. */
  #track(call: Promise<void>): Promise<void> {
    const ended: Promise<void> = call
      .catch(() => {})
      .then(() => {
        this.#running.delete(ended);
      });
    this.#running.add(ended);
    return call;
  }
}

/** Bytes of one image. */
function bytesOf({ imageShape, dtype }: InputSignature): number {
  const [channels, height, width] = imageShape;
  return channels * height * width * (dtype === 'u8' ? 1 : 4);
}
