import type { Findings, Place } from './findings.ts';
import type { ListOption, Option, OptionTable, SingleOption } from './options.ts';
import { type UciOption, type UciSection, type UciValue, sectionLabel } from './uci.ts';
import { type ValueType, boolean } from './value-types.ts';
import { alternatives, nearest, quote } from './wording.ts';

/** A value that was read. */
export interface Entry<T> {
  readonly value: T;
  /** 1-based; the section's line where the value is a default. */
  readonly line: number;
}

/** What a table of options makes of a section: every single option has a value, be it the default. */
export type Values<Table extends OptionTable> = {
  readonly [Key in keyof Table]: Table[Key] extends ListOption<infer T>
    ? readonly Entry<T>[]
    : Table[Key] extends SingleOption<infer T>
      ? Entry<T>
      : Table[Key] extends Option<infer T>
        ? Entry<T> | undefined
        : never;
};

/** A section with its options read. */
export interface TypedSection<Table extends OptionTable> {
  readonly name: string | undefined;
  /** `service 'web'`, for messages. */
  readonly label: string;
  /** 1-based. */
  readonly line: number;
  readonly values: Values<Table>;
  /** Line of every option that is written there, known or not. */
  readonly given: ReadonlyMap<string, number>;
  /** False where a value is wrong or missing, or a statement could not be read; `values` has defaults in their place. */
  readonly sound: boolean;
}

/** Reads the options of a section by their table, and reports every value that is wrong. */
export function readSection<Table extends OptionTable>(
  table: Table,
  section: UciSection,
  findings: Findings,
): TypedSection<Table> {
  const reader = new SectionReader(table, section, findings);
  reader.warnOfUnknown(Object.keys(table));
  const values = Object.entries(table).map(([key, option]) => [key, reader.read(key, option)] as const);
  return {
    name: section.name,
    label: sectionLabel(section),
    line: section.line,
    values: Object.fromEntries(values) as Values<Table>,
    given: new Map(Array.from(section.options, ([key, { values }]) => [key, values[0]?.line ?? section.line])),
    sound: reader.sound && !section.damaged,
  };
}

class SectionReader {
  sound = true;
  readonly #section: UciSection;
  readonly #findings: Findings;
  /** What the section's option `type` says, where the table has one and it says something that exists. */
  readonly #kind: string | undefined;

  constructor(table: OptionTable, section: UciSection, findings: Findings) {
    this.#section = section;
    this.#findings = findings;
    const reading = table['type']?.type.read(section.options.get('type')?.values[0]?.text ?? '');
    this.#kind = reading && 'value' in reading ? String(reading.value) : undefined;
  }

  warnOfUnknown(known: readonly string[]): void {
    for (const { name, values } of this.#section.options.values()) {
      if (known.includes(name)) continue;
      const meant = nearest(name, known);
      this.#findings.warning(
        this.#place(name, values[0]?.line ?? this.#section.line),
        meant === undefined ? 'is unknown and ignored' : `is unknown and ignored; did you mean '${meant}'?`,
      );
    }
  }

  read(key: string, option: Option<unknown>): Entry<unknown> | readonly Entry<unknown>[] | undefined {
    const given = this.#given(key, option);
    switch (option.kind) {
      case 'single':
        return this.#single(key, option.type, given) ?? this.#default(option.type, option.default);
      case 'optional':
        if (!given && option.required) this.#missing(key, option);
        return this.#single(key, option.type, given);
      case 'list':
        return this.#list(key, option, given);
    }
  }

  /** What is written; nothing where it means nothing with the section's own `type`. */
  #given(key: string, { types }: Option<unknown>): UciOption | undefined {
    const given = this.#section.options.get(key);
    if (!given || !types || this.#kind === undefined || types.includes(this.#kind)) return given;
    this.#findings.warning(
      this.#place(key, given.values[0]?.line ?? this.#section.line),
      `does not go with type '${this.#kind}' and is ignored`,
      `type ${alternatives(types)}`,
    );
    return undefined;
  }

  #single(key: string, type: ValueType<unknown>, given: UciOption | undefined): Entry<unknown> | undefined {
    const [value, second] = given?.values ?? [];
    if (!value) return undefined;
    if (second) {
      this.#refuse(this.#place(key, second.line), 'has several values', `one value: ${type.accepted}`);
      return undefined;
    }
    return this.#value(key, type, value);
  }

  #list(key: string, option: ListOption<unknown>, given: UciOption | undefined): readonly Entry<unknown>[] {
    const { type } = option;
    const texts = given ? listed(given) : [];
    if (texts.length === 0) {
      if (option.required && !this.#section.options.has(option.unless ?? '')) this.#missing(key, option);
      return option.default.flatMap((text) => this.#default(type, text) ?? []);
    }
    const entries = new Map<string, Entry<unknown>>();
    for (const text of texts) {
      const entry = this.#value(key, type, text);
      if (!entry) continue;
      const identity = type.key?.(entry.value) ?? String(entry.value);
      const earlier = entries.get(identity);
      if (earlier) this.#findings.warning(this.#place(key, text.line), `${quote(text.text)} is listed twice`);
      else entries.set(identity, entry);
    }
    return [...entries.values()];
  }

  #missing(key: string, { type, types }: Option<unknown>): void {
    if (this.#section.damaged || this.#disabled()) return;
    if (types && !types.includes(this.#kind ?? '')) return;
    this.#refuse(this.#place(key, this.#section.line), 'is missing', type.accepted);
  }

  #value(key: string, type: ValueType<unknown>, value: UciValue): Entry<unknown> | undefined {
    const place = this.#place(key, value.line);
    const shown = type.isSecret ? 'the value' : quote(value.text);
    if (hasLineBreak(value)) {
      this.#refuse(place, `${shown} runs over lines, which a missing quote can cause`, type.accepted);
      return undefined;
    }
    const reading = type.read(value.text);
    if ('value' in reading) return { value: reading.value, line: value.line };
    this.#refuse(place, `${shown} ${reading.reason}`, reading.accepted ?? type.accepted);
    return undefined;
  }

  #default(type: ValueType<unknown>, text: string): Entry<unknown> | undefined {
    const reading = type.read(text);
    return 'value' in reading ? { value: reading.value, line: this.#section.line } : undefined;
  }

  /** What is switched off may be unfinished. */
  #disabled(): boolean {
    const reading = boolean.read(this.#section.options.get('enabled')?.values[0]?.text ?? '');
    return 'value' in reading && !reading.value;
  }

  #refuse(place: Place, message: string, accepted: string): void {
    this.sound = false;
    this.#findings.error(place, message, accepted);
  }

  #place(option: string, line: number): Place {
    return { line, section: sectionLabel(this.#section), option };
  }
}

function hasLineBreak(value: UciValue): boolean {
  return value.text.includes('\n');
}

/** The values of a list. UCI's custom for short ones is one option: `option port '80 443'`. */
function listed(option: UciOption): readonly UciValue[] {
  if (option.list || option.values.some(hasLineBreak)) return option.values;
  return option.values.flatMap(({ text, line }) =>
    text
      .split(/[ \t]+/)
      .filter((word) => word !== '')
      .map((word) => ({ text: word, line })),
  );
}
