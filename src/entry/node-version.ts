/**
 * The first import of every public entry: on a Node that is too old it throws one line that says so, where otherwise the
 * first missing built-in would speak. It holds only syntax that old versions parse. A module graph is linked before any
 * of it runs, so an entry reaches built-ins that old versions lack (`node:sqlite`) by lazy import or by `require`.
 *
 * Workflow code loads it too, in a sandbox that has no `process`: there it does nothing.
 */

/** The oldest major version of Node that runs pleach; `engines` in the published package says the same. */
export const NODE_MAJOR_MIN = 24;

/**
 * Decides what to tell someone who runs a given Node.
 * @param version as in `process.versions.node`; undefined where there is no Node, as in the sandbox or a browser
 * @returns one line for the reader, or undefined when all is well
 */
export function decideNodeComplaint(version: string | undefined): string | undefined {
  if (version === undefined || Number(version.split('.')[0]) >= NODE_MAJOR_MIN) return undefined;
  return `pleach needs Node ${NODE_MAJOR_MIN} or newer and this is Node ${version}: install a newer one and run the same command again.`;
}

const complaint = decideNodeComplaint(typeof process === 'undefined' ? undefined : process.versions.node);
if (complaint !== undefined) {
  const error = new Error(complaint);
  error.stack = complaint; // an uncaught error prints its stack, and no frame of it would help
  throw error;
}
