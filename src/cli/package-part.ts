/** What was asked for is in a package that may be left out, and has been. */
export class PackageMissingError extends Error {}

/** Exit status of a command where it is so. */
export const PACKAGE_MISSING = 4;

/**
 * Imports a part of the program that a package of its own brings; which parts those are, `src/build/bundle.mjs` says.
 *
 * @throws {PackageMissingError} where the part is not there; `what` begins its sentence
 */
export async function partOf<T>(packageName: string, what: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error;
    throw new PackageMissingError(`${what} is in the package ${packageName}, which is not installed`);
  }
}
