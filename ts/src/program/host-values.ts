/**
 * Owns the host values of a parameter or buffer, and the knowledge of who has its newest values.
 *
 * Policy: there is one owner at any time. It is the host, or a holder: a trainer whose device is
 * ahead. While there is a holder, nobody reads the host's array. Whoever gives the host all values
 * anew makes it the owner. A change gets a new version, by which those that keep copies on devices
 * notice it; an array that users were given may change at any time without one, so that its copies
 * must be compared. Initial values may be on their way still: who can waits for `ready`, and who
 * cannot gets them at once.
 */
import { errorFromNative, StaleParametersError } from '../errors.js';

/** An array that is being filled. Until then nobody may read or change it. */
export interface Filling {
  /** Who fills it: one fills its arrays in the order in which it was asked. */
  readonly source: object;
  /** Fills at once what is not filled yet, of this array and of those before it. */
  finish(): void;
  /** Resolves when it is filled; rejects where its worker thread is ended before. */
  readonly done: Promise<void>;
}

/** Values of a parameter or buffer: f32 or i32. */
export type HostArray = Float32Array | Int32Array;

/** Who has values that are newer than the host's. */
export interface ParameterHolder {
  /** Gives the host, or whoever has the values by then, the newest ones. */
  sync(): Promise<void>;
  /**
   * Waits for what another holder is ahead with. Meanwhile {@link sync} answers at once: holders that
   * share some parameters may wait for each other in a ring.
   */
  waitFor(other: ParameterHolder): Promise<void>;
}

/** Values of one parameter or buffer. */
export class HostValues<A extends HostArray = HostArray> {
  #array: A;
  #version = 1;
  #isShared = true;
  #holder: ParameterHolder | undefined;
  #holds = 0;
  /** Of the array, where it has not got its values yet. */
  #filling: Filling | undefined;

  /** @param array The user's: it counts as given out. */
  constructor(array: A) {
    this.#array = array;
  }

  /** Number of the host's values; a new one for each change that is not an edit in place. */
  get version(): number {
    return this.#version;
  }

  /** Whether a user has the array and may edit it in place. */
  get isShared(): boolean {
    return this.#isShared;
  }

  /** Who is ahead of the host; undefined where the host has the newest values. */
  get holder(): ParameterHolder | undefined {
    return this.#holder;
  }

  /**
   * Waits for what another holder than `owner` is ahead with, so that the host, or by then someone
   * else, has it. The one way in which values come back from a device.
   *
   * @param owner Who may be ahead itself, and waits as a holder does.
   * @returns Whether there was anything to wait for.
   */
  async bringBack(owner: ParameterHolder | undefined): Promise<boolean> {
    const holder = this.#holder;
    if (holder === undefined || holder === owner) return false;
    await (owner === undefined ? holder.sync() : owner.waitFor(holder));
    return true;
  }

  /** How often a holder went ahead: it tells whether one did so since its values were read. */
  get holds(): number {
    return this.#holds;
  }

  /** Whether initial values are on their way, and reading them may have to wait. */
  get isFilling(): boolean {
    return this.#filling !== undefined;
  }

  /** Resolves when reading the values does not have to wait for anything. */
  async ready(): Promise<void> {
    const filling = this.#filling;
    if (filling === undefined) return;
    try {
      await filling.done;
    } catch (error) {
      throw errorFromNative(error);
    }
  }

  /** The array, for the package alone: it is read, and not kept. */
  get array(): A {
    this.#filling?.finish();
    this.#filling = undefined;
    return this.#array;
  }

  /**
   * Gives the array to a user.
   *
   * @param name Of the parameter or buffer, for messages.
   * @throws StaleParametersError while a device is ahead.
   */
  share(name = 'the parameter'): A {
    if (this.#holder !== undefined) {
      throw new StaleParametersError(
        `${name} was trained since the host had its values, and a device has newer ones: call ` +
          '`await trainer.syncParameters()` and read again, or take copies by ' +
          '`await trainer.stateDict()`',
      );
    }
    this.#isShared = true;
    return this.array;
  }

  /**
   * States that no user has the array.
   *
   * @param filling What gives it its values, where it has not got them yet.
   */
  keep(filling?: Filling): void {
    this.#isShared = false;
    this.#filling = filling;
    const end = () => {
      if (this.#filling === filling) this.#filling = undefined;
    };
    // A failure is for who waits.
    filling?.done.then(end, () => {});
  }

  /** Takes a user's array for the host's values. */
  replace(array: A): void {
    this.#array = array;
    this.#isShared = true;
    this.#changed();
  }

  /** Takes over an array that no user has, for the host's values. */
  adopt(array: A): void {
    this.#array = array;
    this.#isShared = false;
    this.#changed();
  }

  /** Copies values over the host's. */
  overwrite(values: ArrayLike<number>): void {
    const { array } = this;
    if (array.length === values.length) array.set(values);
    // One that was moved to another thread has no room for any.
    else this.#array = new (array.constructor as new (from: ArrayLike<number>) => A)(values);
    this.#changed();
  }

  /**
   * Has the host's values drawn anew, in the same array where that may be: a user who has it sees the
   * new values at once.
   *
   * @param source Who draws them.
   * @param length Of the array, for a new one.
   */
  redraw(source: object, length: number, draw: (array: A) => Filling | undefined): void {
    const pending = this.#filling;
    // Another source might draw before the one that is to fill the array first, and a user may have
    // moved the array to another thread.
    const fits = pending === undefined ? this.#array.length === length : pending.source === source;
    if (!fits) this.#array = new (this.#array.constructor as new (length: number) => A)(length);
    const filling = draw(this.#array);
    this.#changed();
    if (!this.#isShared) this.keep(filling);
    else filling?.finish();
  }

  /** Makes a holder the owner. An array that a user was given stays behind, as it is. */
  hold(holder: ParameterHolder): void {
    this.#holder = holder;
    this.#holds += 1;
  }

  /**
   * Ends a holder's ownership, unless another has it by now.
   *
   * @param array The newest values, which the host takes over; without them the old ones stay.
   */
  release(holder: ParameterHolder, array?: A): void {
    if (this.#holder !== holder) return;
    if (array === undefined) {
      this.#holder = undefined;
      return;
    }
    this.adopt(array);
  }

  #changed(): void {
    this.#filling = undefined;
    this.#version += 1;
    this.#holder = undefined;
  }
}
