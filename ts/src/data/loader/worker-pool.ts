/**
 * Owns a loader's worker threads and the tasks they work on.
 *
 * Policy: the workers live until the pool is closed or one of them fails (which a transform that
 * throws is not: it fails its batch alone), and hold the process open
 * while they have work and while they end: whoever awaits either is always answered. When one fails,
 * all end: every pending and later task rejects with the same WorkerError, once no worker runs any
 * more. Workers that had no work for a while end too, and are started anew by the next task: a loader
 * that was left without close keeps no threads, though the garbage collector, which sees nothing of
 * their memory, may not run for long. Threads that run hold their pool in memory, so the pool must
 * hold nothing that leads to its loader, which could never be collected otherwise.
 */
import { Worker } from 'node:worker_threads';
import { TransformError, WorkerError } from '../../errors.js';
import { type PixelType, pixelType } from '../../pixels.js';
import type { Filled, Filler, FillTask } from './filler.js';
import type { Failure, FillReply, FillRequest, WorkerSetup } from './worker-protocol.js';

/** Tasks posted to one worker: one that it works on, and the next, so that it never waits. */
const POSTED_TASKS = 2;

/** Time without work after which the workers end. To start them anew takes some 50 ms. */
const IDLE_MS = 10_000;

interface PendingTask extends FillTask {
  readonly id: number;
  resolve(filled: Filled): void;
  reject(error: Error): void;
}

interface Slot {
  /** For messages, from 1. */
  readonly number: number;
  readonly worker: Worker;
  readonly posted: Map<number, PendingTask>;
}

/** Fills batches on worker threads. */
export class WorkerPool implements Filler {
  readonly #setup: WorkerSetup;
  readonly #type: PixelType;
  readonly #labels: Int32Array;
  readonly #numWorkers: number;
  /** The workers, or none where they had no work for a while. */
  #slots: Slot[] = [];
  readonly #queue: PendingTask[] = [];
  #nextId = 0;
  #idle: NodeJS.Timeout | undefined;
  /** The end of the workers that had no work. */
  #asleep: Promise<unknown> = Promise.resolve();
  /** Why the pool has ended, and the end of its last thread. */
  #end: { reason: Error; done: Promise<void> } | null = null;

  /** @param labels Class indices of all samples, [N]. */
  constructor(setup: WorkerSetup, labels: Int32Array, numWorkers: number) {
    this.#setup = setup;
    this.#type = pixelType(setup.images);
    this.#labels = labels;
    this.#numWorkers = numWorkers;
    this.#wake();
    this.#restIfIdle();
  }

  /** Whether the pool takes no more tasks. */
  get hasEnded(): boolean {
    return this.#end !== null;
  }

  async fill(task: FillTask): Promise<Filled> {
    if (this.#end !== null) {
      await this.#end.done;
      throw this.#end.reason;
    }
    return new Promise<Filled>((resolve, reject) => {
      this.#queue.push({ ...task, id: this.#nextId++, resolve, reject });
      this.#post();
    });
  }

  cancel(owner: object): void {
    const kept = this.#queue.filter((task) => task.owner !== owner);
    this.#queue.splice(0, this.#queue.length, ...kept);
  }

  async close(reason: Error): Promise<void> {
    this.#end ??= { reason, done: this.#stop(reason) };
    await this.#end.done;
  }

  #wake(): void {
    if (this.#slots.length > 0) return;
    this.#slots = Array.from({ length: this.#numWorkers }, (_, i) => this.#start(i + 1));
  }

  /** Lets the workers end where no work comes for a while. */
  #restIfIdle(): void {
    clearTimeout(this.#idle);
    if (this.#queue.length > 0 || this.#slots.some(({ posted }) => posted.size > 0)) return;
    this.#idle = setTimeout(() => {
      const slots = this.#slots;
      this.#slots = [];
      this.#asleep = Promise.all([this.#asleep, ...slots.map(({ worker }) => worker.terminate())]);
    }, IDLE_MS).unref();
  }

  #start(number: number): Slot {
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      name: `neuronode data ${number}`,
      workerData: this.#setup,
      // The worker is plain JavaScript: the parent's loaders and inspectors are not for it.
      execArgv: [],
    });
    worker.unref();
    const slot: Slot = { number, worker, posted: new Map() };
    worker.on('message', (reply: FillReply) => this.#receive(slot, reply));
    worker.on('messageerror', (error) => this.#fail(slot, 'received a damaged message', error));
    worker.on('error', (error) => this.#fail(slot, `threw ${describe(error)}`, error));
    worker.on('exit', (code) => this.#fail(slot, `ended with exit code ${code}`, undefined));
    return slot;
  }

  /** Hands queued tasks to the workers that have the least to do. */
  #post(): void {
    if (this.#queue.length > 0) {
      clearTimeout(this.#idle);
      this.#wake();
    }
    while (this.#queue.length > 0) {
      const slot = this.#slots.reduce((a, b) => (b.posted.size < a.posted.size ? b : a));
      if (slot.posted.size >= POSTED_TASKS) return;
      const task = this.#queue.shift()!;
      if (slot.posted.size === 0) slot.worker.ref();
      slot.posted.set(task.id, task);
      const { id, indices, room, draw, buffer } = task;
      const request: FillRequest = { id, indices, room, draw, buffer };
      slot.worker.postMessage(request, buffer === undefined ? [] : [buffer]);
    }
  }

  #receive(slot: Slot, reply: FillReply): void {
    // After the end nothing is posted, and above all nothing unreferenced: the workers' last moments
    // are what holds the process while someone waits for them.
    if (this.#end !== null) return;
    const task = slot.posted.get(reply.id)!;
    slot.posted.delete(reply.id);
    if (slot.posted.size === 0) slot.worker.unref();
    this.#post();
    this.#restIfIdle();
    if ('failure' in reply) {
      task.reject(errorOf(reply.failure));
      return;
    }
    const { buffer } = reply;
    const { indices } = task;
    const label = new Int32Array(indices.length);
    for (let i = 0; i < label.length; i++) label[i] = this.#labels[indices[i]!]!;
    task.resolve({ buffer, type: this.#type, label });
  }

  #fail(slot: Slot, what: string, cause: unknown): void {
    // Its end was wanted, or is the consequence of another worker's.
    if (this.#end !== null || !this.#slots.includes(slot)) return;
    const { number, posted } = slot;
    const reason = new WorkerError(
      `DataLoader worker ${number} of ${this.#slots.length} ${what} with ${posted.size} batches ` +
        'left to fill; the other workers were stopped. Iterate again to start new ones.',
      cause === undefined ? {} : { cause },
    );
    this.#end = { reason, done: this.#stop(reason) };
  }

  async #stop(reason: Error): Promise<void> {
    clearTimeout(this.#idle);
    await Promise.all([this.#asleep, ...this.#slots.map(({ worker }) => worker.terminate())]);
    const pending = [...this.#slots.flatMap((s) => [...s.posted.values()]), ...this.#queue];
    for (const { posted } of this.#slots) posted.clear();
    this.#queue.length = 0;
    for (const task of pending) task.reject(reason);
  }
}

/** What a worker's transform threw, as if it had thrown it here. */
function errorOf({ message, sample, cause }: Failure): Error {
  return sample === undefined
    ? new WorkerError(message, { cause })
    : new TransformError(message, { ...sample, cause });
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
