import type { Problem } from './problem.ts';

/** Where in a configuration something was found. */
export interface Place {
  /** 1-based. */
  readonly line: number;
  readonly section?: string | undefined;
  readonly option?: string | undefined;
}

/** Collects what is wrong with one file. */
export class Findings {
  readonly file: string;
  readonly problems: Problem[] = [];

  constructor(file: string) {
    this.file = file;
  }

  error(place: Place, message: string, accepted?: string): void {
    this.#add('error', place, message, accepted);
  }

  warning(place: Place, message: string, accepted?: string): void {
    this.#add('warning', place, message, accepted);
  }

  #add(severity: Problem['severity'], place: Place, message: string, accepted: string | undefined): void {
    const { line, section, option } = place;
    this.problems.push({
      severity,
      file: this.file,
      line,
      ...(section === undefined ? {} : { section }),
      ...(option === undefined ? {} : { option }),
      message,
      ...(accepted === undefined ? {} : { accepted }),
    });
  }
}
