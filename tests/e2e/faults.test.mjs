// What the overview says while something fails, and afterwards, in a browser, on a Windlass of its own.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { findings, openPage, serviceProcesses, setUp, startBrowser, startWindlass } from "./support.mjs";

const SOON = { timeout: 60_000 };

let windlass, browser, opened, page;

before(async () => {
  windlass = await startWindlass(process.env.WINDLASS);
  browser = await startBrowser();
  opened = await openPage(browser, windlass.url);
  page = opened.page;
  await setUp(page, windlass.token);
  await page.getByRole("rowheader", { name: "Gateway" }).waitFor();
});

after(async () => {
  await browser?.close();
  await windlass?.stop();
});

const banner = (text) => page.locator("#banner").getByText(text);
const newUser = () => page.getByRole("button", { name: "New user" });

/** Whether the worker has accepted it. */
const createTask = () => page.evaluate(async () => {
  const query = 'mutation { createTask(input: { type: "sleep", payload: { seconds: 0 } }) { accepted } }';
  const answer = await fetch("graphql", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ query }) });
  return (await answer.json()).data.createTask.accepted;
});

/** Something to wait for that somebody gives. */
function signal() {
  let give;
  return { given: new Promise((resolve) => { give = resolve; }), give: () => give() };
}

/** Stops the service until `work` is done. */
async function without(name, work) {
  const processes = serviceProcesses(windlass, name);
  assert.ok(processes.length > 0);
  processes.forEach((pid) => process.kill(pid, "SIGSTOP"));
  try {
    await work();
  } finally {
    processes.forEach((pid) => process.kill(pid, "SIGCONT"));
  }
}

test("a worker that hangs is told of, and that it is back", async () => {
  await without("worker", async () => {
    await banner(/The Worker Service has been out of reach since .*New tasks are kept/).waitFor(SOON);
    const row = page.getByRole("row", { name: /Worker Service/ });
    await row.getByText("down").waitFor();
    assert.doesNotMatch(await row.textContent(), /answers in/);
    assert.equal(await newUser().getAttribute("aria-disabled"), null, "users are not the worker's");
    assert.equal(await createTask(), false, "the worker has not accepted it");
    await page.getByText(/1 task or job waits to be handed to the Worker Service, the oldest since/).waitFor(SOON);
    assert.deepEqual(await findings(page, "worker-away-light-1280", opened.misdeeds), []);
    await page.evaluate(() => {
      window.backs = [];
      new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach((node) => window.backs.push(node.textContent))))
        .observe(document.getElementById("banner"), { childList: true });
    });
  });
  await page.getByRole("row", { name: /Worker Service/ }).getByText("up").waitFor(SOON);
  await page.waitForFunction(() => window.backs.includes("The Worker Service is back."), undefined, SOON);
  await page.waitForFunction(() => !document.getElementById("banner").hasChildNodes(), undefined, SOON);
  await page.getByText(/1 task or job waits/).waitFor({ state: "detached", ...SOON });
});

test("an ai service that hangs is told of", async () => {
  await without("ai", async () => {
    await banner(/The AI Service has been out of reach since .*built-in analyst/).waitFor(SOON);
    assert.doesNotMatch(await page.getByRole("row", { name: /AI Service/ }).textContent(), /answers in/);
  });
  await page.getByRole("row", { name: /AI Service/ }).getByText("up").waitFor(SOON);
});

test("a gateway that hangs leaves what was loaded, with its age, and the focus where it is", async () => {
  await without("gateway", async () => {
    await banner(/The server does not answer. Showing what was loaded at/).waitFor(SOON);
    assert.equal(await page.getByRole("rowheader", { name: /Ada Lovelace/ }).isVisible(), true);
    assert.equal(await newUser().getAttribute("aria-disabled"), "true");
    await page.locator("#health-note").getByText(/sec|min/).waitFor(SOON); // not "just now" any more
    await page.getByRole("button", { name: "Retry" }).focus();
    await page.waitForEvent("requestfailed", SOON); // another round
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Retry");
  });
  await page.getByRole("row", { name: /Gateway/ }).getByText("up").waitFor(SOON);
  await page.locator(".area-error").waitFor({ state: "detached", ...SOON });
  assert.equal(await newUser().getAttribute("aria-disabled"), null);
});

test("a page whose first questions wait shows that, and asks again by itself", async () => {
  let isHeld = true;
  const held = await openPage(browser, windlass.url);
  try {
    await held.page.context().addCookies(await page.context().cookies());
    await held.page.route("**/graphql", async (route) => (isHeld ? undefined : route.continue()));
    await held.page.goto("/");
    await held.page.locator("#users .skeleton").first().waitFor();
    await held.page.locator("#health .skeleton").first().waitFor();
    assert.equal(await held.page.getByRole("button", { name: "New user" }).getAttribute("aria-disabled"), "true");
    await held.page.locator("#users").getByText("Still working…").waitFor();
    isHeld = false;
    await held.page.getByRole("rowheader", { name: "Gateway" }).waitFor(SOON);
    await held.page.locator("#users").getByRole("button", { name: "Retry" }).click(SOON);
    await held.page.getByRole("rowheader", { name: /Ada Lovelace/ }).waitFor(SOON);
  } finally {
    await held.close();
  }
});

test("a browser that is offline says so", async () => {
  await page.context().setOffline(true);
  await banner(/You are offline. Showing what was loaded at/).waitFor(SOON);
  await page.context().setOffline(false);
  await page.waitForFunction(() => !document.getElementById("banner").hasChildNodes(), undefined, SOON);
});

test("of two searches the last one counts, however late the first is answered", async () => {
  const late = signal();
  const asked = signal();
  await page.route("**/graphql", async (route) => {
    if (route.request().postDataJSON().variables?.search === "nobo") {
      asked.give();
      await late.given;
    }
    await route.continue();
  });
  await page.getByLabel("Search users").fill("nobo");
  await asked.given;
  await page.getByLabel("Search users").fill("ada");
  await page.locator("#users-note").getByText("1 found").waitFor(SOON);
  const answered = page.waitForResponse((response) => response.request().postDataJSON()?.variables?.search === "nobo");
  late.give();
  await (await answered).finished();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  assert.equal(await page.getByRole("rowheader", { name: /Ada Lovelace/ }).isVisible(), true);
  assert.equal(await page.locator("#users-note").textContent(), "1 found");
  await page.unroute("**/graphql");
});
