/**
 * Owns our side of the comparison: a network's training step and its inference, one program each, on
 * the CPU with the default choice of algorithms. Images are bytes, which the program's first node
 * turns into floats; that, and the copy of the inputs, is part of every time.
 */
import { manualSeed, nn, optim } from 'neuronode';
import { compiled, type native, wholeGraphs } from './inside.js';
import { timed } from './measure.js';
import type { Network } from './networks.js';

const classes = 10; // of the labels: each network has as many, or more
const target = { device: 'cpu', algorithm: 'auto' } as const;

const signatureOf = ({ imageShape }: Network) => {
  const [channels] = imageShape;
  const mean = Array<number>(channels).fill(0);
  const std = Array<number>(channels).fill(1);
  return { imageShape, dtype: 'u8', mean, std } as const;
};

type Graph = InstanceType<typeof compiled.CompiledGraph>;
type Program = Awaited<ReturnType<typeof native.compile>>;

/** Part of a training step. */
export type Phase = 'forward' | 'backward' | 'optimizer';

/** Milliseconds of one kernel in a run. */
export interface KernelTime {
  readonly name: string;
  readonly op: string;
  readonly phase: Phase;
  readonly kernel: string;
  readonly medianMs: number;
}

/** Pixels that are no constant: the same at every run. */
export function syntheticImages(batch: number, { imageShape }: Network): Uint8Array {
  const [channels, height, width] = imageShape;
  const images = new Uint8Array(batch * channels * height * width);
  for (let i = 0; i < images.length; i++) images[i] = Math.imul(i, 0x9e3779b1) >>> 24;
  return images;
}

/** Labels 0, 1, ..., 9, 0, ... */
export function syntheticLabels(batch: number): Int32Array {
  return Int32Array.from({ length: batch }, (_, row) => row % classes);
}

/** Training steps of a network with Adam. */
export class Training implements AsyncDisposable {
  readonly #graph: Graph;
  readonly #program: Program;
  readonly #image: Uint8Array;
  readonly #label: Int32Array;
  #step = 0;

  private constructor(graph: Graph, program: Program, image: Uint8Array, batch: number) {
    this.#graph = graph;
    this.#program = program;
    this.#image = image;
    this.#label = syntheticLabels(batch);
  }

  static async create(network: Network, batch: number): Promise<Training> {
    manualSeed(0);
    const net = network.make();
    const optimizer = new optim.Adam(net.parameters(), { lr: 0.001 });
    const image = { batchSize: batch, shape: network.imageShape };
    const traced = wholeGraphs.trainGraph(net, new nn.CrossEntropyLoss(), optimizer, image);
    const graph = new compiled.CompiledGraph(traced, signatureOf(network), target);
    const program = await graph.compile(undefined);
    return new Training(graph, program, syntheticImages(batch, network), batch);
  }

  /** The graph of a step, before native code fuses neighbours. */
  get spec() {
    return this.#graph.traced.spec;
  }

  /** Milliseconds of one step, from the call to the loss. */
  step(): Promise<number> {
    return timed(() => this.#graph.run(this.#program, this.#inputs()));
  }

  /** Milliseconds of each kernel of a step, medians of `iterations` steps. */
  profile(iterations: number): Promise<readonly KernelTime[]> {
    const { image, label, size, step } = this.#inputs();
    const inputs = { image, label, count: size, step, lr: 0.001 };
    return this.#program.profile(inputs, iterations);
  }

  #inputs() {
    this.#step += 1;
    const label = this.#label;
    return { image: this.#image, label, size: label.length, step: this.#step, lr: [0.001] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#graph.dispose();
  }
}

/** Inference of a network: bytes in, logits out. */
export class Inference implements AsyncDisposable {
  readonly #graph: Graph;
  readonly #program: Program;
  readonly #image: Uint8Array;

  private constructor(graph: Graph, program: Program, image: Uint8Array) {
    this.#graph = graph;
    this.#program = program;
    this.#image = image;
  }

  static async create(network: Network, batch: number): Promise<Inference> {
    manualSeed(0);
    const traced = wholeGraphs.predictGraph(network.make(), {
      batchSize: batch,
      shape: network.imageShape,
    });
    const graph = new compiled.CompiledGraph(traced, signatureOf(network), target);
    const program = await graph.compile(undefined);
    return new Inference(graph, program, syntheticImages(batch, network));
  }

  /** Milliseconds of one run. */
  run(): Promise<number> {
    const image = this.#image;
    const size = this.#graph.batchSize;
    return timed(() => this.#graph.run(this.#program, { image, size }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#graph.dispose();
  }
}

/** Sum of the kernels' milliseconds, of one phase or of all. */
export function sumOf(kernels: readonly KernelTime[], phase?: Phase): number {
  return kernels
    .filter((kernel) => phase === undefined || kernel.phase === phase)
    .reduce((sum, kernel) => sum + kernel.medianMs, 0);
}
