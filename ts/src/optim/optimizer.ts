/** Owns what the optimizers share: parameter groups and the checks of their options. */

import { checkOptions, show } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import {
  type OptimizerName,
  type OptimizerRow,
  optimizerRow,
  optimizerStates,
} from '../graph/ops/optimizer.js';
import type { StepContext, StepRule } from '../graph/step-rule.js';
import { Parameter } from '../nn/parameter.js';

/** Options that every parameter group has. */
export interface CommonOptions {
  /** Learning rate, 0 or above. */
  lr?: number;
}

/** Parameters, or groups of parameters with options of their own. */
export type Trained<Options> = Iterable<Parameter> | Iterable<ParamGroupOptions<Options>>;

/** Parameters of one group, and options that differ from the optimizer's. */
export type ParamGroupOptions<Options> = { params: Iterable<Parameter> } & Options;

/** How a class differs from its optimizer's row. */
interface Declared<Options> {
  /** The operation, whose row says the rest. */
  readonly op: OptimizerName;
  /** Options of PyTorch's that can be spelled out but not switched on. */
  readonly alwaysFalse: readonly string[];
  /** Defaults that are not the row's. */
  readonly defaults?: Partial<Options>;
  /** Settings of the row that are not the user's to set. */
  readonly fixed?: Readonly<Record<string, unknown>>;
}

/** One group: its parameters, and the learning rate that may change between steps. */
export class ParamGroup<Options extends Required<CommonOptions>> {
  readonly params: readonly Parameter[];
  /** Options of the group; all but `lr` are compiled into the training program. */
  readonly options: Readonly<Omit<Options, 'lr'>>;
  readonly #check: (options: Options) => void;
  #lr: number;

  /** @internal */
  constructor(params: readonly Parameter[], settings: Options, check: (options: Options) => void) {
    const { lr, ...options } = settings;
    check(settings);
    this.params = params;
    this.options = Object.freeze(options);
    this.#check = check;
    this.#lr = lr;
  }

  /** Learning rate. Setting it takes effect from the next step on. */
  get lr(): number {
    return this.#lr;
  }

  set lr(value: number) {
    this.#check({ ...this.options, lr: value } as unknown as Options);
    this.#lr = value;
  }
}

/**
 * Base class of the optimizers.
 *
 * There is no `step()` and no `zero_grad()`: the training program that a Trainer compiles holds the
 * gradients and the optimizer's state, and updates the parameters itself. Options other than `lr`
 * are fixed when the Trainer is made.
 */
export abstract class Optimizer<Options extends Required<CommonOptions> = Required<CommonOptions>>
  implements StepRule
{
  /** The rule's name, such as `'SGD'`: the same in minified code and in subclasses. */
  readonly kind: string;
  /** The parameter groups, in the order given. */
  readonly paramGroups: readonly ParamGroup<Options>[];
  readonly #groups = new Map<Parameter, number>();
  readonly #op: OptimizerName;
  readonly #row: OptimizerRow<Options>;
  readonly #fixed: Readonly<Record<string, unknown>>;

  /** @internal */
  protected constructor(
    who: string,
    params: Trained<Partial<Options>>,
    options: Partial<Options>,
    { op, alwaysFalse, defaults: ownDefaults, fixed = {} }: Declared<Options>,
  ) {
    this.kind = who;
    this.#op = op;
    this.#row = optimizerRow<Options>(op);
    this.#fixed = fixed;
    const free = Object.entries(this.#row.defaults).filter(([name]) => !(name in fixed));
    const defaults = { ...(Object.fromEntries(free) as unknown as Options), ...ownDefaults };
    const check = (settings: Options) => this.#row.check(who, { ...settings, ...fixed });
    const known = [...Object.keys(defaults), ...alwaysFalse];
    checkOptions(who, options, known);
    const base = { ...defaults, ...given(who, options, alwaysFalse) };
    this.paramGroups = groupsOf(who, params, known).map(([members, own]) => {
      return new ParamGroup(members, { ...base, ...given(who, own, alwaysFalse) }, check);
    });
    for (const [index, group] of this.paramGroups.entries()) {
      if (group.params.length === 0) {
        throw new ArgumentError(`${who} got an empty parameter list in group ${index}`);
      }
      for (const parameter of group.params) {
        if (!(parameter instanceof Parameter)) {
          throw new ArgumentError(
            `${who} expects parameters, such as net.parameters(), got ${show(parameter)}`,
          );
        }
        const before = this.#groups.get(parameter);
        if (before !== undefined) {
          throw new ArgumentError(
            `${who} got a parameter of shape ${show([...parameter.shape])} twice, ` +
              `in groups ${before} and ${index}`,
          );
        }
        this.#groups.set(parameter, index);
      }
    }
    if (this.paramGroups.length === 0) throw new ArgumentError(`${who} got no parameters`);
  }

  /** Learning rate of the first group; setting it sets that of every group. */
  get lr(): number {
    return this.paramGroups[0]?.lr ?? 0;
  }

  set lr(value: number) {
    for (const group of this.paramGroups) group.lr = value;
  }

  /** Every parameter, group by group. */
  parameters(): readonly Parameter[] {
    return [...this.#groups.keys()];
  }

  /** Index of the group that has the parameter. */
  groupOf(parameter: unknown): number | undefined {
    return this.#groups.get(parameter as Parameter);
  }

  /** Adds the node that updates one parameter to a training graph. @internal */
  emitStep(context: StepContext): void {
    const { group, parameter, gradient, step, lr } = context;
    const options = this.paramGroups[group]?.options;
    if (options === undefined) throw new ArgumentError(`there is no parameter group ${group}`);
    const attrs = this.#row.attrs({ ...options, ...this.#fixed });
    const states = optimizerStates(this.#op, attrs).map(({ name }) => context.state(name));
    context.emit(this.#op, [parameter, gradient, ...states, step, lr], attrs);
  }
}

/** The options that are given, without those that are checked to be false. */
function given<T extends object>(who: string, options: T, alwaysFalse: readonly string[]): T {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name, value] of entries) {
    if (alwaysFalse.includes(name) && value !== false) {
      throw new ArgumentError(
        `${who} does not offer ${name}: leave it out or set it to false, got ${show(value)}`,
      );
    }
  }
  return Object.fromEntries(entries.filter(([name]) => !alwaysFalse.includes(name))) as T;
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

/** Parameters and own options of each group; whether they are parameters is checked later. */
function groupsOf<Options>(
  who: string,
  params: Trained<Options>,
  known: readonly string[],
): [Parameter[], Options][] {
  if (!isIterable(params)) {
    throw new ArgumentError(
      `${who} expects parameters, such as net.parameters(), or groups of them, got ${show(params)}`,
    );
  }
  const items: unknown[] = [...params];
  const isGroup = (item: unknown): item is { params: unknown } =>
    typeof item === 'object' && item !== null && 'params' in item;
  if (!items.some(isGroup)) return [[items as Parameter[], {} as Options]];
  return items.map((item, index) => {
    if (!isGroup(item)) {
      throw new ArgumentError(
        `${who} expects parameters or groups of them, got ${show(item)} beside groups`,
      );
    }
    checkOptions(`${who} group ${index}`, item, ['params', ...known]);
    const { params: members, ...own } = item;
    if (!isIterable(members)) {
      throw new ArgumentError(
        `${who} expects params of group ${index} to be a list of parameters, got ${show(members)}`,
      );
    }
    return [[...members] as Parameter[], own as Options];
  });
}
