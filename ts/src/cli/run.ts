/**
 * Owns how a command-line program begins and ends: signals, output that cannot be written, error
 * messages and exit statuses.
 *
 * Policy: a program ends with status 0 when it did its work, 1 after an error, 2 for a command line
 * it does not understand, and 128 + the signal's number after SIGINT (Ctrl-C), SIGTERM or SIGHUP.
 * Each of these, and output that cannot be written any more, asks the body to stop in order; what
 * stops at once is a second Ctrl-C alone, since schedulers and npm send one signal several times.
 * Errors go to standard error as one line with their code; the stack is shown where the environment
 * variable NEURONODE_DEBUG is set.
 */
import { constants } from 'node:os';
import { isatty } from 'node:tty';
import { FileError, NeuronodeError, reasonOf } from '../errors.js';
import { UsageError } from './options.js';

/** Signals that end a program in order. */
export type EndingSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

const endingSignals: readonly EndingSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** The reason that a signal, or a reader of the output that went away, gives to a program's body. */
export class Interrupted extends Error {
  override name = 'Interrupted';
  /** What the process ends with. */
  readonly exitStatus: number;

  constructor(signal: EndingSignal | 'SIGPIPE') {
    super(`ended by ${signal}`);
    this.exitStatus = 128 + constants.signals[signal];
  }
}

/** What a program's body is given. */
export interface ProgramContext {
  /**
   * Aborted by the first signal, with an {@link Interrupted} as reason, and by a failure to write to
   * standard output, with that or a FileError.
   */
  readonly signal: AbortSignal;
}

/** A Ctrl-C less than this after another is npm's copy of it, which the terminal sent to both. */
const sameKeyMs = 500;

/** The line that tells the user of an error: `error [ERR_NN_SHAPE]: ...`. */
export function describeError(error: unknown): string {
  const message = reasonOf(error);
  const code = (error as { code?: unknown } | null | undefined)?.code;
  const head = typeof code === 'string' ? `error [${code}]` : 'error';
  const debug = (process.env.NEURONODE_DEBUG ?? '') !== '';
  // A defect of the program (no code of ours) is of no use to anyone without its stack.
  const unexpected = !(error instanceof NeuronodeError) && typeof code !== 'string';
  const stack = error instanceof Error && (debug || unexpected) ? `\n${error.stack ?? ''}` : '';
  return `${head}: ${message}${stack}`;
}

/**
 * Node.js aborts at its end where its terminal has gone, since it cannot set it back as it was. There
 * the signal that told of that ends the process, with the status that a shell knows it by.
 */
function endWithTerminal(): void {
  const terminals = [0, 1, 2].filter((descriptor) => isatty(descriptor));
  process.on('exit', () => {
    if (terminals.every((descriptor) => isatty(descriptor))) return;
    process.removeAllListeners('SIGHUP');
    process.kill(process.pid, 'SIGHUP');
  });
}

/** Tells of an error, and sets the process's exit status for it. */
function end(error: unknown): void {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\nTry --help.\n`);
    process.exitCode = 2;
  } else if (error instanceof Interrupted) {
    process.exitCode = error.exitStatus;
  } else {
    process.stderr.write(`${describeError(error)}\n`);
    process.exitCode = 1;
  }
}

/**
 * Runs a program's body and sets the process's exit status.
 *
 * @param body The program. It may reject with the signal's reason after an abort.
 */
export async function runProgram(body: (context: ProgramContext) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  let isOver = false;
  let outputFailure: Error | undefined;
  let interruptedAt = Number.NEGATIVE_INFINITY;
  const onSignal = (name: EndingSignal) => {
    const now = performance.now();
    const isCopy = now - interruptedAt < sameKeyMs;
    if (name === 'SIGINT') interruptedAt = now;
    if (!signal.aborted) {
      const hint = name === 'SIGINT' ? 'Ctrl-C again' : 'Ctrl-C';
      process.stderr.write(`\nstopping after the step in flight; ${hint} exits at once\n`);
      controller.abort(new Interrupted(name));
    } else if (name === 'SIGINT' && !isCopy) {
      process.exit(new Interrupted(name).exitStatus);
    }
  };
  const onOutputError = (error: NodeJS.ErrnoException) => {
    // A reader that went away, as in `... | head`, is no error of ours.
    const isReaderGone = error.code === 'EPIPE';
    if (isOver && isReaderGone) process.exit(new Interrupted('SIGPIPE').exitStatus);
    if (outputFailure !== undefined) return;
    const message = `standard output could not be written: ${reasonOf(error)}`;
    outputFailure = isReaderGone
      ? new Interrupted('SIGPIPE')
      : new FileError(message, { cause: error });
    if (isOver) end(outputFailure);
    else controller.abort(outputFailure);
  };
  endWithTerminal();
  for (const name of endingSignals) process.on(name, onSignal);
  process.stdout.on('error', onOutputError);
  // There is no place left to tell of it; the work goes on.
  process.stderr.on('error', () => {});
  try {
    await body({ signal });
    // Even a body that does not heed the signal has not done its work where its output is lost.
    if (outputFailure !== undefined) end(outputFailure);
  } catch (error) {
    end(error);
  } finally {
    isOver = true;
    // After an abort the handlers stay: what still runs ends at once at a second Ctrl-C. Those of the
    // streams stay in any case, since a broken pipe can be told after the last line was written.
    if (!signal.aborted) for (const name of endingSignals) process.off(name, onSignal);
  }
}
