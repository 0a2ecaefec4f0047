// What every browser test uses: a Windlass of its own, a browser, and the checks of a page.
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";

const READY_MS = 120_000;
const STOP_MS = 60_000;

/** Starts `windlass up` on a new folder and a free port; resolves when it has printed its address. */
export async function startWindlass(program) {
  const folder = mkdtempSync(path.join(tmpdir(), "windlass-e2e-"));
  chmodSync(folder, 0o755); // started as root, the services run as another user
  const child = spawn(program, ["up", "--data", path.join(folder, "data"), "--port", "0"], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, WINDLASS_ENV: "development", TMPDIR: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise((resolve) => {
    child.on("exit", (code, signal) => resolve(signal ?? code));
    child.on("error", (error) => resolve(error.message));
  });
  let log = "";
  let printed = "";
  child.stderr.on("data", (bytes) => (log = (log + bytes).slice(-20_000)));

  const stop = async () => {
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    const how = await exited;
    clearTimeout(late);
    rmSync(folder, { recursive: true, force: true });
    return how;
  };
  const ready = new Promise((resolve) => {
    child.stdout.on("data", (bytes) => {
      printed += bytes;
      const setup = printed.match(/(http:\/\/\S+)\/setup\?token=(\S+)\n/);
      if (setup) resolve({ url: setup[1], token: setup[2] });
    });
  });
  const failed = exited.then((how) => { throw new Error(`windlass up ended (${how}):\n${printed}${log}`); });
  failed.catch(() => {});
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`no setup link after ${READY_MS} ms:\n${printed}${log}`)), READY_MS).unref();
  });
  try {
    return { ...(await Promise.race([ready, failed, late])), stop, log: () => log, pid: child.pid };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The processes of that service, by its name on the command line: "worker". */
export function serviceProcesses({ pid }, name) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);
  return children.filter((child) => readFileSync(`/proc/${child}/cmdline`, "utf8").split("\0")[1] === name);
}

export const startBrowser = () =>
  chromium.launch({
    executablePath: process.env.WINDLASS_CHROMIUM,
    args: ["--no-sandbox", "--disable-dev-shm-usage"], // it opens our own pages only
  });

export const ADMIN = { name: "Ada Lovelace", email: "ada@example.org", password: "correct horse battery staple" };

/** By the setup link: the first user, who then is signed in. */
export async function setUp(page, token, { name, email, password } = ADMIN) {
  await page.goto(`/setup?token=${token}`);
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Create administrator" }).click();
}

/** A page that remembers whatever it must not do: errors, blocked content, requests elsewhere. */
export async function openPage(browser, url, { theme = "light", width = 1280 } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme: theme, baseURL: url });
  const page = await context.newPage();
  const misdeeds = [];
  page.on("pageerror", (error) => misdeeds.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) misdeeds.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("data:")) misdeeds.push(`request to ${request.url()}`);
  });
  return { page, misdeeds, close: () => context.close() };
}

/** Everything that is wrong with the page as it is shown now; keeps a picture of it. */
export async function findings(page, name, misdeeds) {
  const folder = process.env.WINDLASS_SCREENSHOTS;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
  const { violations } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .analyze();
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  return [
    ...violations.flatMap((violation) =>
      violation.nodes.map((node) => `${name}: ${violation.id} at ${node.target}: ${node.failureSummary}`)),
    ...(wide ? [`${name}: scrolls sideways`] : []),
    ...misdeeds.map((misdeed) => `${name}: ${misdeed}`),
  ];
}
