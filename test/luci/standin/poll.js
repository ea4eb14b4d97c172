// What is to be done again and again, as LuCI's `poll` does it: never twice at a time.
export const poll = {
  add(callback, interval = 5) {
    let running = false;
    setInterval(() => {
      if (running) return;
      running = true;
      Promise.resolve(callback()).finally(() => (running = false));
    }, interval * 1000);
  },
};
