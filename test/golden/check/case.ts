/** A file and everything that `oneip check` says of it, line by line. */
export interface CheckCase {
  readonly title: string;
  readonly uci: string;
  readonly problems: readonly string[];
}

/** One line in a file that is otherwise right, and the one thing that is said of it. */
export interface ValueCase {
  /** The section that gets the line. */
  readonly section: 'globals' | 'service' | 'server' | 'watchdog';
  readonly line: string;
  readonly problem: string;
}
