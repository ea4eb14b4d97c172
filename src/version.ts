declare const ONEIP_VERSION: string;

/** Version of the program, as the build was told it. */
export const VERSION = ONEIP_VERSION;
