/** Error classes: one for each code, and the way from native errors to them. */
import { errors, NativeError, NeuronodeError, OutOfMemoryError } from 'neuronode';
import { describe, expect, it } from 'vitest';
// Inside view: only the package itself makes errors from codes.
import { errorFromCode, errorFromNative } from '../../dist/errors.js';

const classes: Record<errors.ErrorCode, string> = {
  ERR_NN_SHAPE: 'ShapeError',
  ERR_NN_DTYPE: 'DTypeError',
  ERR_NN_ARGUMENT: 'ArgumentError',
  ERR_NN_DATA_CORRUPT: 'DataError',
  ERR_NN_DATA_MISSING: 'DataError',
  ERR_NN_DATA_DOWNLOAD: 'DataError',
  ERR_NN_DEVICE_UNAVAILABLE: 'DeviceError',
  ERR_NN_DEVICE_FAILED: 'DeviceError',
  ERR_NN_LIBRARY_MISSING: 'DeviceError',
  ERR_NN_LIBRARY_VERSION: 'DeviceError',
  ERR_NN_OUT_OF_MEMORY: 'OutOfMemoryError',
  ERR_NN_DISPOSED: 'DisposedError',
  ERR_NN_WORKER: 'WorkerError',
  ERR_NN_TRANSFORM: 'TransformError',
  ERR_NN_CHECKPOINT: 'CheckpointError',
  ERR_NN_STATE_DICT: 'StateDictError',
  ERR_NN_STALE: 'StaleParametersError',
  ERR_NN_NOT_FINITE: 'NotFiniteError',
  ERR_NN_QUEUE_FULL: 'QueueFullError',
  ERR_NN_FILE: 'FileError',
  ERR_NN_NATIVE: 'NativeError',
};

describe('errors', () => {
  it.each(Object.entries(classes))('%s is a %s', (code, name) => {
    const cause = new Error('the cause');
    const error = errorFromCode(code, 'the message', { cause });
    expect(error).toBeInstanceOf(NeuronodeError);
    expect(error.constructor.name).toBe(name);
    expect(error).toMatchObject({ name, code, message: 'the message', cause });
    expect(String(error)).toBe(`${name}: the message`);
  });

  it('have public classes and nothing else', () => {
    const named = new Set(Object.values(classes));
    expect(Object.keys(errors).toSorted()).toEqual([...named, 'NeuronodeError'].toSorted());
  });

  it('from native code get their class by their code, and keep the original', () => {
    const native = Object.assign(new Error('no memory'), { code: 'ERR_NN_OUT_OF_MEMORY' });
    const error = errorFromNative(native);
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(error).toMatchObject({ message: 'no memory', cause: native });
    expect(errorFromNative(error)).toBe(error);
  });

  it.each([
    [new Error('odd'), 'odd'],
    ['a string', 'a string'],
    [null, 'null'],
    [Object.assign(new Error('odd'), { code: 'toString' }), 'odd (code toString)'],
  ])('of unknown kind are native errors', (thrown, message) => {
    const error = errorFromNative(thrown);
    expect(error).toBeInstanceOf(NativeError);
    expect(error).toMatchObject({ message, cause: thrown });
  });

  it('have a stack that starts at the caller', () => {
    function caller(): NeuronodeError {
      return errorFromNative(new Error('odd'), caller);
    }
    expect(caller().stack).not.toContain('caller');
  });
});
