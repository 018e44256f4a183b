import type { AddressInfo } from 'node:net';
import * as restate from '@restatedev/restate-sdk';
import * as clients from '@restatedev/restate-sdk-clients';
import { createServer } from 'node:http2';
import { type Peer, runScenario, type Scenario, slowStep } from './measure.ts';

/** Restate on its own log: one server, default options, its official client. */
const ingressUrl = process.env['BENCH_RESTATE_INGRESS']!;
const adminUrl = process.env['BENCH_RESTATE_ADMIN']!;

const nothing = async (): Promise<void> => undefined;

const service = restate.service({
  name: 'bench',
  handlers: {
    sequence: async (ctx: restate.Context, steps: number) => {
      for (let i = 0; i < steps; i++) await ctx.run('nothing', nothing);
      return steps;
    },
    fanOut: async (ctx: restate.Context, steps: number) => {
      await restate.RestatePromise.all(Array.from({ length: steps }, () => ctx.run('nothing', nothing)));
      return steps;
    },
  },
});

const workflow = restate.workflow({
  name: 'slow',
  handlers: {
    run: async (ctx: restate.WorkflowContext, steps: number) => {
      for (let i = 0; i < steps; i++) await ctx.run('slowStep', () => slowStep(ctx.key, i));
      return steps;
    },
  },
});

const talk = restate.workflow({
  name: 'talk',
  handlers: {
    run: async (ctx: restate.WorkflowContext, rounds: number) => {
      for (let i = 0; i < rounds; i++) {
        const heard = await ctx.promise<number>(`say-${i}`);
        await ctx.promise<number>(`answer-${i}`).resolve(heard);
      }
    },
    say: restate.handlers.workflow.shared(async (ctx: restate.WorkflowSharedContext, n: number) => {
      await ctx.promise<number>(`say-${n}`).resolve(n);
      return ctx.promise<number>(`answer-${n}`);
    }),
  },
});

// The port is fixed where a second process must be found by the server under the first one's address.
const wanted = Number(process.env['BENCH_RESTATE_ENDPOINT'] ?? 0);
const server = createServer(restate.createEndpointHandler({ services: [service, workflow, talk] }));
await new Promise<void>((done) => server.listen(wanted, '127.0.0.1', done));
const { port } = server.address() as AddressInfo;
const registered = await fetch(`${adminUrl}/deployments`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ uri: `http://127.0.0.1:${port}`, force: true }),
});
if (!registered.ok) throw new Error(`registering the services: ${registered.status} ${await registered.text()}`);

const ingress = clients.connect({ url: ingressUrl });
const bench = ingress.serviceClient<typeof service>({ name: 'bench' });

const peer: Peer = {
  async sequence(_id, steps) {
    await bench.sequence(steps);
  },
  async fanOut(_id, steps) {
    await bench.fanOut(steps);
  },
  async conversation(id) {
    const client = ingress.workflowClient<typeof talk>({ name: 'talk' }, id);
    await client.workflowSubmit(1_000_000);
    return async (n) => {
      const answer = await client.say(n);
      if (answer !== n) throw new Error(`said ${n}, heard ${answer}`);
    };
  },
  async beginSlow(id, steps) {
    await ingress.workflowClient<typeof workflow>({ name: 'slow' }, id).workflowSubmit(steps);
  },
  async slowResult(id) {
    await ingress.workflowClient<typeof workflow>({ name: 'slow' }, id).workflowAttach();
  },
  async close() {
    // Its conversations never end, so a graceful end would wait for them.
    process.exit(0);
  },
};

await runScenario(peer, process.argv[2] as Scenario);
