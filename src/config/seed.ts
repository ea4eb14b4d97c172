/** Default seed of a service: the 32-bit FNV-1a hash (Fowler, Noll, Vo) of its name, so that every router derives the same. */
export function seedOfName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
