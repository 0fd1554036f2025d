/**
 * Owns the peer process: starts bench/peer_pytorch.py in the virtual environment that scripts/peers
 * makes, and exchanges one JSON line at a time with it.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Network } from './networks.js';

/** Part of a training step, or an inference, of one batch. */
export type Unit = 'step' | 'forward' | 'backward' | 'optimizer' | 'inference';

export interface PeerInfo {
  readonly name: string;
  readonly version: string;
  readonly cpuCapability: string;
  readonly threads: number;
  readonly python: string;
}

/** What `calibrate` found fastest, and what it measured: milliseconds of a step, of an update. */
export interface PeerSettings {
  readonly memoryFormat: string;
  readonly memoryFormatMs: Readonly<Record<string, number>>;
  readonly adam: string;
  readonly adamMs: Readonly<Record<string, number>>;
}

const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
const python = join(cache, 'neuronode', 'peers', 'bin', 'python');
// From build/bench, where this file is compiled to.
const script = fileURLToPath(new URL('../../bench/peer_pytorch.py', import.meta.url));

/** Why there is no peer to compare with, and how to get it; undefined where there is one. */
export function missingPeer(): string | undefined {
  if (existsSync(python)) return undefined;
  return (
    `PyTorch is not installed at ${python}: nothing to compare with.\n` +
    'Install it with scripts/peers (several GB), or measure neuronode alone with --no-peer.'
  );
}

export class Peer implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<void>;

  #info: PeerInfo | undefined;

  private constructor() {
    this.#child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.once('error', () => resolve());
    });
    // A process that has ended is reported by the request that gets no reply.
    this.#child.stdin.on('error', () => {});
  }

  /** Starts the process and sets its threads. */
  static async start(threads: number): Promise<Peer> {
    const peer = new Peer();
    try {
      const info = await peer.#ask<PeerInfo>({ cmd: 'info', threads });
      if (info.threads !== threads) {
        throw new Error(`PyTorch runs with ${info.threads} threads, ${threads} were asked for`);
      }
      peer.#info = info;
      return peer;
    } catch (error) {
      await peer[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Versions and threads. */
  get info(): PeerInfo {
    if (this.#info === undefined) throw new Error('the peer has not been started');
    return this.#info;
  }

  /** Takes up a network, of which all that follows is; its settings are to be calibrated or used. */
  async network({ peerName, imageShape }: Network): Promise<void> {
    await this.#ask({ cmd: 'network', name: peerName, image: imageShape });
  }

  /** Finds and keeps the network's fastest memory format and Adam. */
  calibrate(batch: number, rounds: number): Promise<PeerSettings> {
    return this.#ask({ cmd: 'calibrate', batch, rounds });
  }

  /** Takes settings of the network that were found before. */
  async use(settings: PeerSettings): Promise<void> {
    await this.#ask({ cmd: 'use', memoryFormat: settings.memoryFormat, adam: settings.adam });
  }

  /** Milliseconds of one run. */
  async time(unit: Unit, batch: number): Promise<number> {
    return (await this.#ask<{ ms: number }>({ cmd: 'time', unit, batch })).ms;
  }

  /** Peak resident bytes of this process after training steps. */
  async memory(batch: number, steps: number): Promise<number> {
    return (await this.#ask<{ peakBytes: number }>({ cmd: 'memory', batch, steps })).peakBytes;
  }

  /** Median milliseconds of a row of op-cases.json, forward and backward (null without one). */
  op(
    op: string,
    name: string,
    runs: number,
  ): Promise<{ forward: number; backward: number | null }> {
    return this.#ask({ cmd: 'op', op, case: name, runs });
  }

  async #ask<T>(request: object): Promise<T> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const line = await this.#lines.next();
    if (line.done === true) {
      throw new Error(`PyTorch's process ended at ${JSON.stringify(request)}; its output is above`);
    }
    const reply = JSON.parse(line.value) as T & { error?: string };
    if (reply.error !== undefined) {
      throw new Error(`PyTorch failed at ${JSON.stringify(request)}: ${reply.error}`);
    }
    return reply;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await this.#exited;
  }
}
