/**
 * Owns the way from codes to error classes, for the package itself: native code knows codes only.
 * What users see of errors is error-classes.ts.
 */
import {
  ArgumentError,
  CheckpointError,
  DataError,
  DeviceError,
  DisposedError,
  DTypeError,
  type ErrorCode,
  FileError,
  NativeError,
  NeuronodeError,
  type NeuronodeErrorOptions,
  NotFiniteError,
  OutOfMemoryError,
  QueueFullError,
  ShapeError,
  StaleParametersError,
  StateDictError,
  TransformError,
  WorkerError,
} from './error-classes.js';

export * from './error-classes.js';

type ErrorFactory = (message: string, options?: NeuronodeErrorOptions) => NeuronodeError;

const factories: Record<ErrorCode, ErrorFactory> = {
  ERR_NN_SHAPE: (m, o) => new ShapeError(m, o),
  ERR_NN_DTYPE: (m, o) => new DTypeError(m, o),
  ERR_NN_ARGUMENT: (m, o) => new ArgumentError(m, o),
  ERR_NN_DATA_CORRUPT: (m, o) => new DataError('ERR_NN_DATA_CORRUPT', m, o),
  ERR_NN_DATA_MISSING: (m, o) => new DataError('ERR_NN_DATA_MISSING', m, o),
  ERR_NN_DATA_DOWNLOAD: (m, o) => new DataError('ERR_NN_DATA_DOWNLOAD', m, o),
  ERR_NN_DEVICE_UNAVAILABLE: (m, o) => new DeviceError('ERR_NN_DEVICE_UNAVAILABLE', m, o),
  ERR_NN_DEVICE_FAILED: (m, o) => new DeviceError('ERR_NN_DEVICE_FAILED', m, o),
  ERR_NN_LIBRARY_MISSING: (m, o) => new DeviceError('ERR_NN_LIBRARY_MISSING', m, o),
  ERR_NN_LIBRARY_VERSION: (m, o) => new DeviceError('ERR_NN_LIBRARY_VERSION', m, o),
  ERR_NN_OUT_OF_MEMORY: (m, o) => new OutOfMemoryError(m, o),
  ERR_NN_DISPOSED: (m, o) => new DisposedError(m, o),
  ERR_NN_WORKER: (m, o) => new WorkerError(m, o),
  ERR_NN_TRANSFORM: (m, o) => new TransformError(m, o),
  ERR_NN_CHECKPOINT: (m, o) => new CheckpointError(m, o),
  ERR_NN_STATE_DICT: (m, o) => new StateDictError(m, o),
  ERR_NN_STALE: (m, o) => new StaleParametersError(m, o),
  ERR_NN_NOT_FINITE: (m, o) => new NotFiniteError(m, o),
  ERR_NN_QUEUE_FULL: (m, o) => new QueueFullError(m, o),
  ERR_NN_FILE: (m, o) => new FileError(m, o),
  ERR_NN_NATIVE: (m, o) => new NativeError(m, o),
};

/** The error class instance for a code; an unknown code becomes a {@link NativeError}. */
export function errorFromCode(
  code: string,
  message: string,
  options?: NeuronodeErrorOptions,
): NeuronodeError {
  const factory = Object.hasOwn(factories, code) ? factories[code as ErrorCode] : undefined;
  return factory === undefined
    ? new NativeError(`${message} (code ${code})`, options)
    : factory(message, options);
}

/** Why something failed, as a message's last part. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Turns what the addon threw into the matching class. The original error stays as `cause`.
 *
 * @param stackFrom A function of the caller: stack lines from it upwards are left out, so that the
 *   trace points at the user's call and not at this conversion.
 */
export function errorFromNative(
  error: unknown,
  // biome-ignore lint/complexity/noBannedTypes: the type of Error.captureStackTrace's argument.
  stackFrom?: Function,
): NeuronodeError {
  if (error instanceof NeuronodeError) return error;
  const message = reasonOf(error);
  const code = (error as { code?: unknown } | null | undefined)?.code;
  const converted =
    typeof code === 'string'
      ? errorFromCode(code, message, { cause: error })
      : new NativeError(message, { cause: error });
  if (stackFrom !== undefined) Error.captureStackTrace(converted, stackFrom);
  return converted;
}

/** Whether an error tells that a device failed and is lost to this process. */
export function isDeviceFailure(error: unknown): boolean {
  return error instanceof DeviceError && error.code === 'ERR_NN_DEVICE_FAILED';
}
