/**
 * Owns every error class that the package throws.
 *
 * Policy: each public failure is a subclass of {@link NeuronodeError} with a stable `code`; its
 * message says what was expected, what came, and what to do. Cancelled work is the one exception:
 * it rejects with the `reason` of the AbortSignal that the caller passed.
 */

import { cut } from './text.js';

/** Characters of a message at most: enough for a list of what does not fit, and bounded. */
const mostOfMessage = 8000;

/**
 * Why a device cannot be used: it is not there, it failed and is lost to this process, or a library
 * that it needs is missing or of a version that does not fit.
 */
export type DeviceErrorCode =
  | 'ERR_NN_DEVICE_UNAVAILABLE'
  | 'ERR_NN_DEVICE_FAILED'
  | 'ERR_NN_LIBRARY_MISSING'
  | 'ERR_NN_LIBRARY_VERSION';

/** Stable error codes. A code never changes its meaning between versions. */
export type ErrorCode =
  | 'ERR_NN_SHAPE'
  | 'ERR_NN_DTYPE'
  | 'ERR_NN_ARGUMENT'
  | 'ERR_NN_DATA_CORRUPT'
  | 'ERR_NN_DATA_MISSING'
  | 'ERR_NN_DATA_DOWNLOAD'
  | DeviceErrorCode
  | 'ERR_NN_OUT_OF_MEMORY'
  | 'ERR_NN_DISPOSED'
  | 'ERR_NN_WORKER'
  | 'ERR_NN_TRANSFORM'
  | 'ERR_NN_CHECKPOINT'
  | 'ERR_NN_STATE_DICT'
  | 'ERR_NN_STALE'
  | 'ERR_NN_NOT_FINITE'
  | 'ERR_NN_QUEUE_FULL'
  | 'ERR_NN_FILE'
  | 'ERR_NN_NATIVE';

/** Options of every error: what caused it, if something did. */
export interface NeuronodeErrorOptions {
  cause?: unknown;
}

/** Base class of all errors of the package. */
export class NeuronodeError extends Error {
  override name = 'NeuronodeError';
  /** Stable, machine-readable code, such as `ERR_NN_SHAPE`. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options: NeuronodeErrorOptions = {}) {
    super(cut(message, mostOfMessage), 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
  }
}

/** A tensor's shape does not fit the operation. */
export class ShapeError extends NeuronodeError {
  override name = 'ShapeError';
  constructor(message: string, options?: NeuronodeErrorOptions) {
    super('ERR_NN_SHAPE', message, options);
  }
}

/** A tensor's element type does not fit the operation. */
export class DTypeError extends NeuronodeError {
  override name = 'DTypeError';
  constructor(message: string, options?: NeuronodeErrorOptions) {
    super('ERR_NN_DTYPE', message, options);
  }
}

/** An argument or option is not what the call accepts. */
export class ArgumentError extends NeuronodeError {
  override name = 'ArgumentError';
  constructor(message: string, options?: NeuronodeErrorOptions) {
    super('ERR_NN_ARGUMENT', message, options);
  }
}

/** A data file is missing, damaged, or could not be fetched. */
export class DataError extends NeuronodeError {
  override name = 'DataError';
  constructor(
    code: 'ERR_NN_DATA_CORRUPT' | 'ERR_NN_DATA_MISSING' | 'ERR_NN_DATA_DOWNLOAD',
    message: string,
    options?: NeuronodeErrorOptions,
  ) {
    super(code, message, options);
  }
}

/** A device cannot be used here, or not any more; `code` says which. */
export class DeviceError extends NeuronodeError {
  override name = 'DeviceError';
  constructor(code: DeviceErrorCode, message: string, options?: NeuronodeErrorOptions) {
    super(code, message, options);
  }
}

/** The device or the host has too little memory for the program. */
export class OutOfMemoryError extends NeuronodeError {
  override name = 'OutOfMemoryError';
  constructor(message: string, options?: NeuronodeErrorOptions) {
    super('ERR_NN_OUT_OF_MEMORY', message, options);
  }
}

/** The object was disposed of before this call. */
export class DisposedError extends NeuronodeError {
  override name = 'DisposedError';
  constructor(message: string, options?: NeuronodeErrorOptions) {
    super('ERR_NN_DISPOSED', message, options);
  }
}

/** A worker thread failed or ended early. */
export class WorkerError extends NeuronodeError {
  override name = 'WorkerError';
  constructor(message: string, options?: NeuronodeErrorOptions) {
    super('ERR_NN_WORKER', message, options);
  }
}

/** Which sample a {@link TransformError} is about. */
export interface TransformErrorOptions extends NeuronodeErrorOptions {
  /** Name of the dataset's class. */
  dataset?: string;
  /** Number of the sample in the dataset, from 0. */
  sample?: number;
  /** Name of the transform's class. */
  transform?: string;
}

/** A data transform threw, or returned no image of the shape that it had announced. */
export class TransformError extends NeuronodeError {
  override name = 'TransformError';
  /** Name of the dataset's class. */
  readonly dataset: string | undefined;
  /** Number of the sample in the dataset, from 0. */
  readonly sample: number | undefined;
  /** Name of the transform's class. */
  readonly transform: string | undefined;

  constructor(message: string, options: TransformErrorOptions = {}) {
    super('ERR_NN_TRANSFORM', message, options);
    this.dataset = options.dataset;
    this.sample = options.sample;
    this.transform = options.transform;
  }
}

/** A checkpoint is missing, damaged, or does not belong to this network. */
export class CheckpointError extends NeuronodeError {
  override name = 'CheckpointError';
  constructor(message: string, options?: NeuronodeErrorOptions) {
    super('ERR_NN_CHECKPOINT', message, options);
  }
}

/** A state dict's names or shapes do not match the module's. */
export class StateDictError extends NeuronodeError {
  override name = 'StateDictError';
  constructor(message: string, options?: NeuronodeErrorOptions) {
    super('ERR_NN_STATE_DICT', message, options);
  }
}

/** Parameters were read from the host while a trainer's device has newer values. */
export class StaleParametersError extends NeuronodeError {
  override name = 'StaleParametersError';
  constructor(message: string, options?: NeuronodeErrorOptions) {
    super('ERR_NN_STALE', message, options);
  }
}

/** Training has diverged: a loss or a parameter is NaN or infinite. */
export class NotFiniteError extends NeuronodeError {
  override name = 'NotFiniteError';
  constructor(message: string, options?: NeuronodeErrorOptions) {
    super('ERR_NN_NOT_FINITE', message, options);
  }
}

/** More work was asked for than may wait at a time. */
export class QueueFullError extends NeuronodeError {
  override name = 'QueueFullError';
  constructor(message: string, options?: NeuronodeErrorOptions) {
    super('ERR_NN_QUEUE_FULL', message, options);
  }
}

/** A file cannot be used: the metrics file, or one of another kind than what was expected. */
export class FileError extends NeuronodeError {
  override name = 'FileError';
  constructor(message: string, options?: NeuronodeErrorOptions) {
    super('ERR_NN_FILE', message, options);
  }
}

/** The addon could not be loaded, or failed in a way no other class describes. */
export class NativeError extends NeuronodeError {
  override name = 'NativeError';
  constructor(message: string, options?: NeuronodeErrorOptions) {
    super('ERR_NN_NATIVE', message, options);
  }
}
