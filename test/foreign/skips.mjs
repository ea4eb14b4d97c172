/** What is left out: in which file, of which targets, which tests (absent: all), and why. */
export const skips = [];
