/** What a test has opened and its end, good or bad, must close: an open socket or a child keeps the test file's process alive. */
const resources: { close(): unknown }[] = [];

export function opened<T extends { close(): unknown }>(resource: T): T {
  resources.push(resource);
  return resource;
}

/** For `test.after.each`. Closing twice does no harm. */
export async function closeOpened(): Promise<void> {
  for (const resource of resources.splice(0)) await resource.close();
}
