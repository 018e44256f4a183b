/** Fails two calls deep: its lines are what a stack must name. */
export async function throwsDeep(): Promise<void> {
  interface Reason {
    readonly text: string;
  }
  inner({ text: 'from the depths' } satisfies Reason);
}

function inner(reason: { text: string }): never {
  throw new Error(reason.text);
}
