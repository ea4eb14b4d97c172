/** The bytes of a dotted IPv4 address: four decimal parts without leading zeros; `undefined` where the text is none. */
export function readDotted(text: string): readonly number[] | undefined {
  if (!/^(?:\d{1,3}\.){3}\d{1,3}$/.test(text)) return undefined;
  const bytes = text.split('.').map(Number);
  return bytes.join('.') === text && bytes.every((byte) => byte < 256) ? bytes : undefined;
}

/** The 16 bytes of an IPv6 address (RFC 4291 §2.2), its last four perhaps dotted; `undefined` where the text is none. */
export function readColons(text: string): readonly number[] | undefined {
  const [before = '', after, ...rest] = text.split('::');
  const head = readGroups(before, after === undefined);
  const tail = readGroups(after ?? '', true);
  if (!head || !tail || rest.length > 0) return undefined;
  const missing = 16 - head.length - tail.length;
  // `::` stands for one group at least.
  if (after === undefined ? missing !== 0 : missing < 2) return undefined;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** The bytes of groups with single colons between them; the last may be dotted where the address ends with it. */
function readGroups(text: string, isEnd: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [place, group] of groups.entries()) {
    const dotted = isEnd && place === groups.length - 1 ? readDotted(group) : undefined;
    if (dotted) bytes.push(...dotted);
    else if (/^[\da-f]{1,4}$/i.test(group)) bytes.push(parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff);
    else return undefined;
  }
  return bytes;
}

/** 16 bytes as text in the form of RFC 5952 §4: lower case, the longest run of zero groups (the first of equals) as `::`. */
export function writeColons(bytes: ArrayLike<number>): string {
  const groups = Array.from({ length: 8 }, (_, place) => ((bytes[2 * place] ?? 0) << 8) | (bytes[2 * place + 1] ?? 0));
  // One group alone is not shortened (§4.2.2).
  let [start, length] = [0, 1];
  for (let first = 0; first < 8; first++) {
    let run = 0;
    while (groups[first + run] === 0) run++;
    if (run > length) [start, length] = [first, run];
  }
  const hexadecimal = (some: number[]) => some.map((group) => group.toString(16)).join(':');
  if (length === 1) return hexadecimal(groups);
  return `${hexadecimal(groups.slice(0, start))}::${hexadecimal(groups.slice(start + length))}`;
}
