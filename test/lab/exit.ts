/** Undoing what a lab has set up, however the process ends: normally, by an exception, or by a signal. */
type Undo = () => void;

const pending = new Set<Undo>();
let armed = false;

const signals = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

/** Runs `undo` (synchronous; must not throw) when the process ends, unless the returned function has been called before. Later registrations are undone first. */
export function atExit(undo: Undo): () => void {
  if (!armed) arm();
  pending.add(undo);
  return () => pending.delete(undo);
}

function arm(): void {
  armed = true;
  process.on('exit', undoAll);
  for (const [name, number] of Object.entries(signals)) process.on(name, () => process.exit(128 + number));
}

function undoAll(): void {
  for (const undo of [...pending].reverse()) {
    pending.delete(undo);
    try {
      undo();
    } catch (error) {
      process.stderr.write(`while cleaning up: ${String(error)}\n`);
    }
  }
}
