// A worker that looks whether pages are there. Task type "site.check", payload:
//
//   {"urls": ["https://example.org/", …], "timeoutMs": 5000}
//
// result: {"good": 1, "bad": [{"url": "…", "why": "status 404"}]}
//
//   cd sdk/node && npm ci && npm run build && cd ../../examples/node && npm install
//   WINDLASS_URL=http://127.0.0.1:8080 WINDLASS_TOKEN=… node site-check.mjs
//
// where the token has the scope LEASE. With a token of the scope API as well, in WINDLASS_API_TOKEN,
// `node site-check.mjs https://example.org/ …` creates such a task and waits for its result.
import { Client, FatalError, RetryError, Worker } from "windlass-sdk";

const url = process.env.WINDLASS_URL ?? "http://127.0.0.1:8080";

// What is wrong with a page; null where nothing is.
async function look(page, timeoutMs, signal) {
  try {
    const response = await fetch(page, { signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) });
    await response.body?.cancel(); // the status was all that mattered
    // Our own fault: the rest of this attempt would only be refused too.
    if (response.status === 429) throw new RetryError(`${page} wants fewer requests`, 60_000);
    return response.ok ? null : `status ${response.status}`;
  } catch (error) {
    if (signal.aborted || error instanceof RetryError) throw error;
    return error.cause?.code ?? error.message;
  }
}

async function check(task, context) {
  const { urls, timeoutMs = 5_000 } = task.payload ?? {};
  // What is wrong with the payload will be wrong at the next attempt.
  if (!Array.isArray(urls) || !urls.every((page) => URL.canParse(page)))
    throw new FatalError("payload.urls: is no list of URLs");
  // An earlier attempt may have seen some of them.
  const { next, good, bad } = task.checkpoint ?? { next: 0, good: 0, bad: [] };
  const state = { next, good, bad };
  while (state.next < urls.length) {
    context.signal.throwIfAborted(); // cancelled, out of time, or this worker is to end
    const page = urls[state.next];
    const why = await look(page, timeoutMs, context.signal);
    if (why === null) state.good++;
    else state.bad.push({ url: page, why });
    context.log(`${page}: ${why ?? "good"}`);
    state.next++;
    context.progress(state.next / urls.length);
    await context.checkpoint(state);
  }
  return { good: state.good, bad: state.bad };
}

async function ask(urls) {
  const client = new Client({ url, token: process.env.WINDLASS_API_TOKEN ?? "" });
  const { id } = await client.createTask({ type: "site.check", payload: { urls } });
  console.error(`task ${id}`);
  for (;;) {
    const task = await client.task(id);
    if (task?.status === "COMPLETED") return console.log(JSON.stringify(task.result, null, 2));
    if (task?.status === "FAILED") throw new Error(`the task failed: ${task.error}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

const urls = process.argv.slice(2);
if (urls.length > 0) {
  await ask(urls);
} else {
  const worker = new Worker({ url, token: process.env.WINDLASS_TOKEN ?? "", logger: console });
  await worker.handle("site.check", 4, check).run(); // until Ctrl-C or SIGTERM, then what runs may finish
}
