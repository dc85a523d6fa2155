/** The data of a page: what Python gives, and all that the modules know. */
export interface Page {
  command: string;
  title: string;
  /** Sentences on the whole run, the summary first. */
  said: string[];
  tables: Table[];
  notes: Note[];
  /** The lines of all notes; a note has their numbers. */
  lines: string[];
  stories: Story[];
  machines: Machine[];
  graphs: Graph[];
  /** Of a page that explores a scenario. */
  live?: Live;
}

export interface Table {
  name: string;
  columns: Column[];
  rows: Row[];
}

export interface Column {
  name: string;
  /** Whether rows are chosen by the values of this column, which are separated by "; ". */
  choose: boolean;
}

export interface Row {
  cells: string[];
  /** Whether the row is not as it should be; such rows come first. */
  odd: boolean;
  /** Numbers of notes. */
  notes: number[];
  /** The number of a story. */
  trace: number | null;
}

export interface Note {
  title: string;
  lines: number[];
  /** Whether the lines are text of a program. */
  code: boolean;
}

export type Value = string | number | boolean | null;

/** A trace, told step by step. */
export interface Story {
  title: string;
  /** The id of the property that the last state breaks; empty if there is none. */
  property: string;
  scenario: string;
  /** Runs and the network, from left to right. */
  columns: string[];
  /** The configuration: initial values that could be others. */
  start: [string, Value][];
  /** The first local state of each run. */
  begins: Record<string, string>;
  /** What the adversary knows from the start. */
  known: string[];
  steps: Step[];
  /** The number of steps before those that repeat for ever; the number of all if nothing follows. */
  loop: number | null;
  broken: Broken[];
  /** The number of the machine of each run, in the order of the system. */
  machines: number[];
}

export interface Step {
  run: string;
  event: string;
  /** Whether the arrow points right; null for a step without a message. */
  right: boolean | null;
  /** Where the message comes from, in the words of the network. */
  source: string;
  /** What the adversary did to the message; empty if nothing. */
  forged: string;
  /** The record keys of the message, in words. */
  under: string;
  /** Name, value and maker. */
  fields: [string, Value, string][];
  before: string;
  after: string;
  alert: string | null;
  row: RowOfTable;
  /** Variable, value before, value after, and whether a row sets it (or an observer). */
  changed: [string, Value, Value, boolean][];
  /** What the adversary knows since this step. */
  learned: string[];
  /** What the sound machine does otherwise; null if it does the same, or is not asked any more. */
  sound: Otherwise | null;
}

export interface RowOfTable {
  name: string;
  kind: string;
  event: string;
  when: string[];
  checks: { name: string; says: string; alert: string }[];
  do: [string, string][];
  rfc: string;
  alert: string | null;
  /** Of a row that refuses: the row that was due, and its check that failed. */
  refuses: string[];
}

export interface Otherwise {
  refuses: boolean;
  says: string;
  row: RowOfTable | null;
  why: Reason | null;
}

/** Why an expression has its value: a leaf with values, or parts joined by `op`. */
export interface Reason {
  says: string;
  holds: boolean;
  op: "" | "and" | "or";
  values: [string, Value][];
  parts: Reason[];
}

/** An implication of a property that is false in the last state. */
export interface Broken {
  case: string;
  place: string;
  given: Reason;
  holds: Reason;
}

export interface Machine {
  name: string;
  role: string;
  states: { name: string; kind: "waits" | "sends" | "either" | "end" }[];
  rows: RowOfMachine[];
  /** The state after an error or the end of the transport. */
  closed: string;
}

export interface RowOfMachine extends RowOfTable {
  sources: string[];
  /** A state, or "=" for the state before. */
  target: string;
  /** Whether a patch changed the row. */
  patched: boolean;
}

/** All states of a scenario, merged by the runs' local states. */
export interface Graph {
  scenario: string;
  runs: string[];
  /** The local states of each run. */
  states: string[][];
  /** The number of each run's local state, then the least depth. */
  nodes: number[][];
  /** From, to, and the moves: the number of the run, kind and event. */
  edges: [number, number, [number, string, string][]][];
  /** Whether these are all states, or no more than `most` were searched. */
  complete: boolean;
  most: number;
}

/** What a page that explores a scenario knows before it asks. */
export interface Live {
  scenario: string;
  /** The patch, in words; empty for the sound system. */
  patch: string;
  /** The command that starts this again. */
  command: string;
  /** The values of variables that may begin with several. */
  free: Record<string, string[]>;
  /** The rows of each run that accept something. */
  rows: Record<string, RowOfTable[]>;
}

/** A step that is possible in a state. */
export interface Move {
  number: number;
  run: string;
  kind: string;
  event: string;
  source: string;
  row: string;
  alert: string | null;
  after: string;
  fields: [string, Value][];
}

/** Why a row cannot be taken. */
export interface WhyNot {
  run: string;
  row: string;
  enabled: boolean;
  fails: { name: string; says: string; values: [string, Value][] }[];
  /** What the message must satisfy. */
  needs: string[];
}
