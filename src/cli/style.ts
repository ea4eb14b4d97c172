const CODES = { bold: '1', dim: '2', red: '31', green: '32', yellow: '33', cyan: '36' } as const;

export type Style = keyof typeof CODES;

/** Gives a text a style. */
export type Paint = (style: Style, text: string) => string;

/** For terminals. */
export const coloured: Paint = (style, text) => (text === '' ? '' : `\x1b[${CODES[style]}m${text}\x1b[0m`);

/** For everything else. */
export const plain: Paint = (_, text) => text;
