/**
 * A text that the bus can carry. NUL, which ends texts there, becomes U+FFFD: reasons quote what servers have answered, and
 * those may answer anything.
 */
export function wireText(text: string): string {
  return text.replaceAll('\0', '\ufffd');
}
