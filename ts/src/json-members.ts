/**
 * Owns the way through a large JSON object, member by member, without parsing it as a whole.
 *
 * Policy: whoever reads a file of unknown origin parses one member at a time and pauses between
 * them, so that the event loop stays free; nesting and the size of a member are bounded before
 * anything is parsed. Only the outline is looked at: what is between two commas is for JSON.parse.
 */

/** Bounds of an object's members. */
export interface MemberBounds {
  /** Deepest nesting of a member's value; 0 for a number or text. */
  readonly depth: number;
  /** Most bytes of a member. */
  readonly bytes: number;
}

/** A member's name and its value, unparsed. */
export interface Member {
  readonly name: string;
  /** The value's first byte and the one behind its last. */
  readonly begin: number;
  readonly end: number;
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const braces = { open: 0x7b, close: 0x7d };
const brackets = { open: 0x5b, close: 0x5d };

/** JSON's white space. */
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses a part of a text.
 *
 * @throws SyntaxError or TypeError where it is no JSON or no UTF-8.
 */
export function parsePart(bytes: Uint8Array, begin: number, end: number): unknown {
  return JSON.parse(decoder.decode(bytes.subarray(begin, end)));
}

/** Whether a part of a text begins like an object. */
export function isObjectAt(bytes: Uint8Array, begin: number): boolean {
  return bytes[skipSpace(bytes, begin)] === braces.open;
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isSpace(bytes[at])) at += 1;
  return at;
}

/**
 * The members of an object, in order; a name may come twice.
 *
 * @param begin First byte of the object, or of white space before it.
 * @param end The byte behind it, or behind white space after it.
 * @throws SyntaxError where that is no object, RangeError where a bound is passed.
 */
export function* membersOf(
  bytes: Uint8Array,
  begin: number,
  end: number,
  bounds: MemberBounds,
): Generator<Member, void, undefined> {
  // Nothing looks farther than a member may reach from where it begins, white space included.
  const from = (start: number) => bytes.subarray(0, Math.min(end, start + bounds.bytes));
  const fail = (start: number, text: Uint8Array, what: string): Error =>
    text.length < end
      ? new RangeError(`more than ${bounds.bytes} bytes for one member, from byte ${start}`)
      : new SyntaxError(what);
  const expect = (text: Uint8Array, at: number, byte: number) => {
    const place = skipSpace(text, at);
    if (text[place] === byte) return place + 1;
    const what = `expected '${String.fromCharCode(byte)}' at byte ${place}`;
    throw place < text.length ? new SyntaxError(what) : fail(at, text, what);
  };
  let at = expect(from(begin), begin, braces.open);
  let isOpen = bytes[skipSpace(from(at), at)] !== braces.close;
  if (!isOpen) at = expect(from(at), at, braces.close);
  while (isOpen) {
    const text = from(at);
    const start = expect(text, at, quote) - 1;
    const behindName = skipString(text, start);
    const value = behindName === undefined ? undefined : expect(text, behindName, colon);
    const behind = value === undefined ? undefined : skipValue(text, value, bounds.depth);
    if (behindName === undefined || value === undefined || behind === undefined) {
      throw fail(start, text, `the member that begins at byte ${start} has no end`);
    }
    yield { name: parsePart(text, start, behindName) as string, begin: value, end: behind };
    isOpen = text[behind] === comma;
    at = isOpen ? behind + 1 : expect(text, behind, braces.close);
  }
  const text = from(at);
  const rest = skipSpace(text, at);
  if (rest !== end) throw new SyntaxError(`expected no more at byte ${rest}`);
}

/** The byte behind a string that begins here; undefined where it has no end. */
function skipString(text: Uint8Array, start: number): number | undefined {
  for (let at = start + 1; at < text.length; at++) {
    const byte = text[at];
    if (byte === quote) return at + 1;
    if (byte === backslash) at += 1;
  }
  return undefined;
}

/** The comma or brace behind a value; undefined where it has no end. */
function skipValue(text: Uint8Array, start: number, mostDepth: number): number | undefined {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const byte = text[at];
    if (byte === quote) {
      const behind = skipString(text, at);
      if (behind === undefined) return undefined;
      at = behind - 1;
    } else if (byte === braces.open || byte === brackets.open) {
      depth += 1;
      if (depth > mostDepth) {
        throw new RangeError(`nested deeper than ${mostDepth} levels at byte ${at}`);
      }
    } else if (byte === braces.close || byte === brackets.close) {
      if (depth === 0) return at;
      depth -= 1;
    } else if (byte === comma && depth === 0) return at;
  }
  return undefined;
}
