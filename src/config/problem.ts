/** One thing that is wrong, or doubtful, in a configuration. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  /** 1-based; the section's line where an option is missing. */
  readonly line: number;
  /** `service 'web'`, or `undefined` for the file as a whole. */
  readonly section?: string;
  readonly option?: string;
  /** What is wrong: one clause, no full stop. Where it begins with a verb, the option or else the section is its subject. */
  readonly message: string;
  /** What is accepted instead. */
  readonly accepted?: string;
}
