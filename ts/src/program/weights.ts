/**
 * Owns what a program holds of a network's parameters and buffers, and how it follows them.
 * Below, a parameter is either.
 *
 * Policy: a program's copy of a parameter has the version of the host's values that it came from. It
 * is written again where the host has another version, or where a user has the host's array and its
 * contents differ. What a holder is ahead with is its own business: nothing is written over it.
 * Updates come one at a time, while no run that must not see them is under way.
 */
import { ArgumentError } from '../errors.js';
import type { CompiledGraph } from './compiled.js';
import { fingerprint } from './fingerprint.js';
import type { HostArray, HostValues, ParameterHolder } from './host-values.js';
import { hostValuesOf, type ModuleTensor } from './module-tensor.js';
import type { NativeProgram } from './native.js';

/** A parameter of the program. */
interface HeldParameter {
  readonly name: string;
  readonly parameter: ModuleTensor;
  readonly host: HostValues;
  readonly size: number;
}

/** What was written to a program last. */
interface Written {
  readonly version: number;
  /** Of the values; undefined where nobody could have edited them in place. */
  readonly print: string | undefined;
}

/** The parameters of one program. */
export class ProgramWeights {
  readonly #parameters: readonly HeldParameter[];
  /** Of the program's own parameters. */
  readonly #written = new Map<HostValues, Written>();

  /**
   * @param graph The program's graph.
   * @param options.replaced Weights of a program whose memory this one takes over.
   * @param options.shared Weights of a program that stays, and sees to what it shares itself.
   */
  constructor(
    graph: CompiledGraph,
    options: { replaced?: ProgramWeights | undefined; shared?: ProgramWeights | undefined } = {},
  ) {
    const { replaced, shared } = options;
    const others = new Set(shared === undefined ? [] : shared.#parameters.map(({ host }) => host));
    this.#parameters = [...graph.traced.parameters]
      .map(([name, source]) => {
        const parameter = source as unknown as ModuleTensor;
        return { name, parameter, host: hostValuesOf(parameter), size: parameter.size };
      })
      .filter(({ host }) => !others.has(host));
    // Only what both programs have is in the same memory.
    for (const { host } of this.#parameters) {
      const written = replaced === undefined ? undefined : replaced.#written.get(host);
      if (written !== undefined) this.#written.set(host, written);
    }
  }

  /** Whether {@link update} would certainly find nothing to do. */
  isCurrent(owner?: ParameterHolder): boolean {
    return this.#parameters.every(({ host }) => {
      if (host.holder !== undefined) return host.holder === owner;
      return !host.isShared && this.#written.get(host)?.version === host.version;
    });
  }

  /** Whether a graph has all of these parameters. */
  areIn(graph: CompiledGraph): boolean {
    const others = new Set<unknown>(graph.traced.parameters.values());
    return this.#parameters.every(({ parameter }) => others.has(parameter));
  }

  /**
   * Writes what the network has and the program has not.
   *
   * @param owner Who may be ahead of the host with this program.
   * @param drain Called before the first change; resolves when the program may be changed.
   */
  async update(
    program: NativeProgram,
    owner: ParameterHolder | undefined,
    drain: () => Promise<void>,
  ): Promise<void> {
    let next = 0;
    while (next < this.#parameters.length) {
      const { name, host, size } = this.#parameters[next]!;
      if (await host.bringBack(owner)) {
        // Meanwhile others may have taken on from what was brought up to date before.
        next = 0;
        continue;
      }
      next += 1;
      if (host.holder !== undefined) continue;
      const { array, version, isShared } = host;
      checkWhole(name, array, size);
      const before = this.#written.get(host);
      const isSameVersion = before?.version === version;
      if (isSameVersion && !isShared) continue;
      const print = isShared ? await fingerprint(array) : undefined;
      if (isSameVersion && before.print === print) continue;
      await drain();
      this.#written.delete(host);
      await program.write(name, array);
      this.#written.set(host, { version, print });
    }
  }

  /** Makes a holder the owner of the parameters: the program is about to change them. */
  hold(holder: ParameterHolder): void {
    for (const { host } of this.#parameters) host.hold(holder);
  }

  /** Gives the host the values that a holder is ahead with. */
  async read(program: NativeProgram, holder: ParameterHolder): Promise<void> {
    for (const { name, host } of this.#parameters) {
      if (host.holder !== holder) continue;
      const { holds } = host;
      // The array itself is taken over: copying one of 100 MB would hold the event loop up.
      const values = await program.read(name);
      if (host.holder !== holder || host.holds !== holds) continue;
      host.release(holder, values);
      this.#written.set(host, { version: host.version, print: undefined });
    }
  }

  /** Ends the holder's ownership; the host has the values that it had. */
  release(holder: ParameterHolder): void {
    for (const { host } of this.#parameters) host.release(holder);
  }
}

/** @throws ArgumentError where a parameter's array is not what it was when it was given. */
export function checkWhole(name: string, array: HostArray, size: number): void {
  if (array.length === size) return;
  throw new ArgumentError(
    `the array of ${name} has ${array.length} of ${size} elements: its buffer was moved to another ` +
      'thread, or resized. Assign a new array to the parameter, or move a copy.',
  );
}
