import { condition, defineUpdate, proxyActivities, setHandler } from 'pleach/workflow';

interface Steps {
  nothing(): Promise<void>;
  slowStep(id: string, step: number): Promise<void>;
}

const { nothing, slowStep } = proxyActivities<Steps>({ startToCloseTimeout: '1 minute' });

export async function sequence(steps: number): Promise<number> {
  for (let i = 0; i < steps; i++) await nothing();
  return steps;
}

export async function fanOut(steps: number): Promise<number> {
  await Promise.all(Array.from({ length: steps }, () => nothing()));
  return steps;
}

export async function slow(id: string, steps: number): Promise<number> {
  for (let i = 0; i < steps; i++) await slowStep(id, i);
  return steps;
}

/** Answers every message, until it is ended. */
export async function conversation(): Promise<void> {
  setHandler(defineUpdate<number, [number]>('say'), (n) => n);
  await condition(() => false);
}
