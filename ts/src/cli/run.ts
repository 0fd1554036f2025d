/**
 * Owns how a command-line program begins and ends: Ctrl-C, error messages and exit statuses.
 *
 * Policy: a program ends with status 0 when it did its work, 1 after an error, 2 for a command line
 * it does not understand and 130 after Ctrl-C. Errors go to standard error as one line with their
 * code; the stack is shown where the environment variable NEURONODE_DEBUG is set.
 */
import { NeuronodeError } from '../errors.js';
import { UsageError } from './options.js';

/** The reason that a first Ctrl-C gives to a program's signal. */
export class Interrupted extends Error {
  override name = 'Interrupted';
  constructor() {
    super('interrupted by Ctrl-C');
  }
}

/** What a program's body is given. */
export interface ProgramContext {
  /** Aborted, with an {@link Interrupted} as reason, by the first Ctrl-C. */
  readonly signal: AbortSignal;
}

const exitInterrupted = 130;
/** As a program that SIGPIPE ends. */
const exitBrokenPipe = 141;

/** The line that tells the user of an error: `error [ERR_NN_SHAPE]: ...`. */
export function describeError(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: unknown } | null | undefined)?.code;
  const head = typeof code === 'string' ? `error [${code}]` : 'error';
  const debug = (process.env.NEURONODE_DEBUG ?? '') !== '';
  // A defect of the program (no code of ours) is of no use to anyone without its stack.
  const unexpected = !(error instanceof NeuronodeError) && typeof code !== 'string';
  const stack = error instanceof Error && (debug || unexpected) ? `\n${error.stack ?? ''}` : '';
  return `${head}: ${message}${stack}`;
}

/**
 * Runs a program's body and sets the process's exit status.
 *
 * @param body The program. It may reject with the signal's reason after Ctrl-C.
 */
export async function runProgram(body: (context: ProgramContext) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const onInterrupt = () => {
    if (controller.signal.aborted) process.exit(exitInterrupted);
    process.stderr.write('\nstopping after the step in flight; Ctrl-C again exits at once\n');
    controller.abort(new Interrupted());
  };
  // A reader that went away, as in `... | head`, is no error of ours.
  const onOutputError = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(exitBrokenPipe);
  };
  process.on('SIGINT', onInterrupt);
  process.stdout.on('error', onOutputError);
  try {
    await body({ signal: controller.signal });
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\nTry --help.\n`);
      process.exitCode = 2;
    } else if (error instanceof Interrupted) {
      process.exitCode = exitInterrupted;
    } else {
      process.stderr.write(`${describeError(error)}\n`);
      process.exitCode = 1;
    }
  } finally {
    // After an abort the handler stays: what still runs ends at once at a second Ctrl-C. That of the
    // output stays in any case, since a broken pipe can be told after the last line was written.
    if (!controller.signal.aborted) process.off('SIGINT', onInterrupt);
  }
}
