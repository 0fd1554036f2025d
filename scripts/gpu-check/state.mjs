/**
 * Owns what one section has found, and its file. Every finding is in the file before the next one is
 * looked for, so that a section that is cut off or crashes loses only what it had not done.
 *
 * @typedef {object} SectionState
 * @property {{ name: string, value: string }[]} facts
 * @property {{ name: string, ok: boolean, detail: string }[]} checks
 * @property {{ title: string, head: string[], rows: string[][] }[]} tables
 * @property {object} data What later sections and programs read.
 * @property {string} [notApplicable] Why there is nothing to find on this machine.
 * @property {string} [error] What ended it.
 * @property {string} [cursor] What it was about to do, where it can go on behind that.
 * @property {boolean} done Whether it came to its end.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

/** Exit status of a section that wants to go on in a new process, such as after a lost device. */
export const restart = 75;

/** Writes a file as a whole or not at all. */
export function writeWhole(path, text) {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** @returns {SectionState} What the file holds, or a state with nothing in it. */
export function readState(path) {
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8'));
  return { facts: [], checks: [], tables: [], data: {}, done: false };
}

/** How a section tells what it finds. */
export class Report {
  #path;
  #state;

  /** @param {string} path Its file. What is there already is kept. */
  constructor(path) {
    this.#path = path;
    this.#state = readState(path);
    this.#write();
  }

  #write() {
    writeWhole(this.#path, JSON.stringify(this.#state));
  }

  /** Names of the checks that are made already. */
  get checked() {
    return new Set(this.#state.checks.map(({ name }) => name));
  }

  /** What data() kept by that name, in an earlier process too. */
  get(name) {
    return this.#state.data[name];
  }

  fact(name, value) {
    this.#state.facts.push({ name, value: String(value) });
    this.#write();
  }

  check(name, ok, detail = '') {
    this.#state.checks.push({ name, ok, detail });
    this.#write();
  }

  /** A table of texts; another of the same title is replaced. */
  table(title, head, rows) {
    const others = this.#state.tables.filter((table) => table.title !== title);
    this.#state.tables = [...others, { title, head, rows }];
    this.#write();
  }

  data(name, value) {
    this.#state.data[name] = value;
    this.#write();
  }

  /** About to do what may end the process; the section is then started again, and goes on behind it. */
  cursor(name) {
    this.#state.cursor = name;
    this.#write();
  }

  notApplicable(reason) {
    this.#state.notApplicable = reason;
    this.#write();
  }

  failed(error) {
    this.#state.error = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#write();
  }

  done() {
    delete this.#state.cursor;
    this.#state.done = true;
    this.#write();
  }
}
