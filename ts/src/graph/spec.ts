/**
 * Owns the contract between TypeScript and native code: the shape of one finished graph.
 *
 * A graph is sent once, in one call. Nodes are in execution order; every optional input or output
 * that a node does not use is absent at the end of its list. Pairs are [height, width].
 */

/** Element type of a value. */
export type DType = 'f32' | 'f64' | 'i32' | 'u8';

/** Who fills a value: the caller at each run, the program's own memory, or a node. */
export type ValueKind = 'input' | 'parameter' | 'state' | 'intermediate';

/** Part of the training step that a node belongs to. */
export type Phase = 'forward' | 'backward' | 'optimizer';

/** Value of one attribute. */
export type AttrValue = number | boolean | readonly number[];

/** Attributes of one node, by camelCase name. */
export type Attrs = Readonly<Record<string, AttrValue>>;

/** One tensor of the graph. */
export interface ValueSpec {
  readonly kind: ValueKind;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Name of an input, parameter or state; empty for intermediates. */
  readonly name: string;
}

/** One operation of the graph. */
export interface NodeSpec {
  /** A name of the operation table. */
  readonly op: string;
  /** Indices into {@link GraphSpec.values}. */
  readonly inputs: readonly number[];
  /** Indices into {@link GraphSpec.values}. */
  readonly outputs: readonly number[];
  readonly attrs: Attrs;
  /** Path of the module or name of the parameter the node serves; for messages and profiles. */
  readonly name: string;
  readonly phase: Phase;
}

/** One finished graph, as native code receives it. */
export interface GraphSpec {
  readonly values: readonly ValueSpec[];
  /** In execution order. */
  readonly nodes: readonly NodeSpec[];
  /** What a run returns, by name. */
  readonly outputs: readonly { readonly name: string; readonly value: number }[];
}
