/** Owns a tensor of a module that is not trained, such as a running mean. */
import { types } from 'node:util';
import { checkBoolean, checkOptions, show } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import type { Shape } from '../graph/shapes.js';
import type { HostArray } from '../program/host-values.js';
import { hostValuesOf, ModuleTensor } from '../program/module-tensor.js';

/**
 * A tensor that belongs to a module's state and that no optimizer updates: the running statistics of
 * a normalisation, a table of constants. `Module.registerBuffer` makes it. A training step may update
 * it in place; whose its newest values are follows the rules of a {@link Parameter}.
 */
export class Buffer<A extends HostArray = HostArray> extends ModuleTensor<A> {
  /** Whether state dicts and checkpoints have it. */
  readonly persistent: boolean;

  /** @internal Buffers are made by `Module.registerBuffer`. */
  constructor(
    who: string,
    value: { readonly data: A; readonly shape: Shape },
    options: { persistent?: boolean } = {},
  ) {
    if (typeof value !== 'object' || value === null) {
      throw new ArgumentError(`${who} expects { data, shape }, got ${show(value)}`);
    }
    checkOptions(who, options, ['persistent']);
    const { data, shape } = value;
    const isInteger = types.isInt32Array(data);
    if (!isInteger && !types.isFloat32Array(data)) {
      throw new ArgumentError(
        `${who} expects data to be a Float32Array or an Int32Array, got ${show(data)}`,
      );
    }
    // A copy, so that edits need not be looked for.
    super('Buffer', isInteger ? 'i32' : 'f32', data.slice() as A, shape);
    this.persistent = checkBoolean(who, 'persistent', options.persistent ?? true);
    hostValuesOf<HostArray>(this).keep();
  }
}
