// A worker made with sdk/node, for sdk_test.py; sdk_driver.py is the same with sdk/python. What it does
// is in each task's payload; what happens it tells on stdout, a JSON object a line.
const { Client, FatalError, RetryError, Snooze, Worker } = await import(process.env.SDK);

const seen = new Set();
let running = 0;

function tell(event, task, more = {}) {
  console.log(JSON.stringify({ event, task: task.id, attempt: task.attempt, ...more }));
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function hang(task, { signal }) {
  return new Promise((_, reject) => {
    const stop = () => {
      tell("stopped", task, { reason: signal.reason.reason });
      reject(signal.reason);
    };
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
  });
}

async function act(task, context) {
  const { do: what, value, ms, queue } = task.payload, isFirst = !seen.has(task.id);
  seen.add(task.id);
  if (what === "echo") return { echo: value ?? null, attempt: task.attempt };
  if (what === "slow") {
    await sleep(ms);
    return { attempt: task.attempt };
  }
  if (what === "fail") throw new Error("no luck");
  if (what === "fatal") throw new FatalError("never");
  if (what === "retry" && isFirst) throw new RetryError("once more", 10);
  if (what === "snooze" && isFirst) throw new Snooze(10);
  if (what === "no json") return { big: 1n };
  if (what === "bad checkpoint")
    return await context.checkpoint("x".repeat(2 << 20)).then(() => null, ({ detail }) => ({ detail }));
  if (what === "spawn") {
    context.spawn({ type: "elsewhere", payload: { n: 1 }, priority: "HIGH", queue });
    context.log("half \ud800 a character");
  }
  if (what === "long") return "x".repeat(2 << 20);
  if (what === "progress") {
    context.progress(0.5);
    context.log("half of it");
  }
  if (what === "resume" && task.checkpoint === null) {
    await context.checkpoint({ at: 3 });
    tell("checkpointed", task);
  }
  if (["progress", "hang"].includes(what) || (task.attempt === 1 && ["resume", "hang once"].includes(what)))
    await hang(task, context);
  return { attempt: task.attempt, checkpoint: task.checkpoint };
}

async function handler(task, context) {
  running++;
  tell("started", task, { running });
  try {
    return await act(task, context);
  } finally {
    running--;
  }
}

const { URL: url, TOKEN: token, TTL_MS, DRAIN_MS, TYPE, SLOTS } = process.env;
if (process.argv.length > 2) {
  const client = new Client({ url, token });
  const created = await client.createTask(JSON.parse(process.argv[2]));
  const found = await client.task(created.id);
  console.log(JSON.stringify({ ...created, type: found.type }));
} else {
  const worker = new Worker({
    url, token, name: "driver", ttlMs: Number(TTL_MS), drainMs: Number(DRAIN_MS),
    logger: { info: console.error, warn: console.error },
  });
  await worker.handle(TYPE, Number(SLOTS), handler).run();
}
