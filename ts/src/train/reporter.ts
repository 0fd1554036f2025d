/**
 * Owns what training prints: one line a step, one line an epoch and, on a terminal, a progress bar
 * below them.
 *
 * Policy: this is the only file of the training code that writes to a stream, and it writes to the
 * stream it was given alone. It never changes what training computes: a reporter is told of events
 * and returns nothing.
 */

/** What happened in one training step. */
export interface StepEvent {
  /** Number of the step since training began, from 1. */
  readonly step: number;
  /** Number of the epoch, from 1. */
  readonly epoch: number;
  /** Number of the step in its epoch, from 1. */
  readonly stepInEpoch: number;
  /** Mean loss of the batch. */
  readonly loss: number;
  /** Correctly classified examples of the batch; absent where the loss does not count them. */
  readonly correct?: number;
  /** Examples in the batch. */
  readonly size: number;
  /** Share of correct examples in the epoch so far, 0 to 1; absent as `correct` is. */
  readonly trainAccuracy?: number;
  /** Learning rate of the first parameter group at this step. */
  readonly lr: number;
  /** Milliseconds since the previous step's result (for the first step, since it was submitted). */
  readonly ms: number;
}

/** What happened in one epoch. */
export interface EpochEvent {
  /** Number of the epoch, from 1. */
  readonly epoch: number;
  /** Number of the last step. */
  readonly step: number;
  /** Mean loss over the epoch's examples. */
  readonly loss: number;
  /**
   * The sum of the batches' mean losses divided by the number of examples: smaller than
   * {@link loss} by about the batch size. This is the figure that the epoch's line prints.
   */
  readonly lossPerExample: number;
  /**
   * Share of correct training examples, 0 to 1, each judged before the step that learned it; absent
   * where the loss does not count them.
   */
  readonly trainAccuracy?: number;
  /** Share of correct test examples, 0 to 1; absent without test data, and as `trainAccuracy` is. */
  readonly testAccuracy?: number;
  /** Mean loss over the test examples; absent without test data. */
  readonly testLoss?: number;
  /** Seconds the epoch took, its evaluation included. */
  readonly seconds: number;
}

/** What `fit` knows before its first step. */
export interface StartEvent {
  /** Number of the last epoch to train. */
  readonly epochs: number;
  /** Steps in one epoch. */
  readonly stepsPerEpoch: number;
  /** Examples in one epoch. */
  readonly examplesPerEpoch: number;
}

/** Receiver of training events. Every method is optional; training waits for the promises they return. */
export interface Reporter {
  /** Training starts. */
  start?(event: StartEvent): unknown;
  /** A step is done. */
  step?(event: StepEvent): unknown;
  /** An epoch is done. */
  epoch?(event: EpochEvent): unknown;
  /** Training ended, was aborted, or failed. */
  end?(): unknown;
}

/** The part of a writable stream that {@link TextReporter} uses; `process.stdout` is one. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** `step 1, train_acc: 0.0938`, or `step 1, loss: 2.3026` where nothing is counted. */
export function formatStep({ step, loss, trainAccuracy }: StepEvent): string {
  return trainAccuracy === undefined
    ? `step ${step}, loss: ${loss.toFixed(4)}`
    : `step ${step}, train_acc: ${trainAccuracy.toFixed(4)}`;
}

/**
 * `epoch 1, loss 0.0047, train acc 0.770, test acc 0.865, time 128.3 sec`, or
 * `epoch 1, loss 0.6012, test loss 0.5870, time 128.3 sec`, with mean losses, where nothing is counted.
 */
export function formatEpoch(event: EpochEvent): string {
  const { trainAccuracy, testAccuracy, testLoss } = event;
  const parts = [`epoch ${event.epoch}`];
  if (trainAccuracy === undefined) {
    parts.push(`loss ${event.loss.toFixed(4)}`);
    if (testLoss !== undefined) parts.push(`test loss ${testLoss.toFixed(4)}`);
  } else {
    parts.push(`loss ${event.lossPerExample.toFixed(4)}`, `train acc ${trainAccuracy.toFixed(3)}`);
    if (testAccuracy !== undefined) parts.push(`test acc ${testAccuracy.toFixed(3)}`);
  }
  parts.push(`time ${event.seconds.toFixed(1)} sec`);
  return parts.join(', ');
}

/** `4:05` or `1:04:05` */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const two = (value: number) => String(value).padStart(2, '0');
  const rest = two(whole % 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

const barCells = 24;
/** Share of the newest step in the smoothed rate. */
const rateSmoothing = 0.2;
const clearLine = '\r\x1b[2K';

/**
 * Prints training as lines of text. On a terminal the last line is a progress bar with images per
 * second and the time left in the epoch; elsewhere (a file, a pipe) there are plain lines alone.
 */
export class TextReporter implements Reporter {
  readonly #stream: TextStream;
  #start: StartEvent | undefined;
  #msPerExample: number | undefined;
  #barShown = false;

  /** @param stream Where to print; standard output by default. */
  constructor(stream: TextStream = process.stdout) {
    this.#stream = stream;
  }

  start(event: StartEvent): void {
    this.#start = event;
  }

  step(event: StepEvent): void {
    const msPerExample = event.ms / event.size;
    this.#msPerExample =
      this.#msPerExample === undefined
        ? msPerExample
        : this.#msPerExample + rateSmoothing * (msPerExample - this.#msPerExample);
    this.#print(formatStep(event), this.#bar(event));
  }

  epoch(event: EpochEvent): void {
    this.#print(formatEpoch(event), '');
  }

  end(): void {
    if (this.#barShown) this.#stream.write(clearLine);
    this.#barShown = false;
  }

  #bar(event: StepEvent): string {
    const start = this.#start;
    if (start === undefined || this.#stream.isTTY !== true) return '';
    const { stepsPerEpoch, examplesPerEpoch, epochs } = start;
    const done = Math.min(1, event.stepInEpoch / stepsPerEpoch);
    const filled = Math.round(done * barCells);
    const perSecond = 1000 / Math.max(this.#msPerExample ?? 0, 1e-6);
    const left = examplesPerEpoch * (1 - done);
    const text =
      `epoch ${event.epoch}/${epochs} [${'#'.repeat(filled)}${'-'.repeat(barCells - filled)}] ` +
      `${event.stepInEpoch}/${stepsPerEpoch}, ${perSecond.toPrecision(3)} images/s, ` +
      `${formatDuration(left / perSecond)} left`;
    return text.slice(0, Math.max(0, (this.#stream.columns ?? 80) - 1));
  }

  #print(line: string, bar: string): void {
    const clear = this.#barShown ? clearLine : '';
    this.#stream.write(`${clear}${line}\n${bar}`);
    this.#barShown = bar !== '';
  }
}
