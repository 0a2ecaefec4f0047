// The first user, login and the pages behind it, in a browser, on a Windlass of their own.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ADMIN, findings, openPage, setUp, startBrowser, startWindlass } from "./support.mjs";

const LOOKS = [
  { theme: "light", width: 1280 },
  { theme: "dark", width: 1280 },
  { theme: "light", width: 360 },
  { theme: "dark", width: 360 },
];
const VIEWER = { name: "Grace Hopper", email: "grace@example.org", password: "nanosecond wire compiler moth" };

let windlass, browser;

before(async () => {
  windlass = await startWindlass(process.env.WINDLASS);
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await windlass?.stop();
});

async function inPage(look, work) {
  const opened = await openPage(browser, windlass.url, look);
  try {
    await work(opened.page, opened.misdeeds);
  } finally {
    await opened.close();
  }
}

async function logIn(page, { email, password }, address = "/login") {
  await page.goto(address);
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

const named = (page, look) => `${page}-${look.theme}-${look.width}`;

test("an empty page asks for what is missing, in place", async () => {
  for (const look of LOOKS) {
    await inPage(look, async (page, misdeeds) => {
      await page.goto(`/setup?token=${windlass.token}`);
      await page.waitForFunction(() => !location.search, undefined, { timeout: 10_000 });
      await page.getByLabel("Password", { exact: true }).fill("windlass");
      await page.getByRole("button", { name: "Create administrator" }).click();
      assert.equal(await page.getByText("Enter your name.").isVisible(), true);
      assert.match(await page.locator("#strength-words").textContent(), /easy to guess/);
      assert.deepEqual(await findings(page, named("setup", look), misdeeds), []);
    });
  }
});

test("a wrong setup token creates nobody", async () => {
  await inPage({}, async (page) => {
    await setUp(page, "not-the-token");
    await page.locator("[role=alert]:visible, .error:not(:empty)").first().waitFor();
    assert.match(page.url(), /\/setup$/);
  });
});

test("the setup link creates the first user and signs them in", async () => {
  await inPage({}, async (page) => {
    await setUp(page, windlass.token);
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await page.getByRole("rowheader", { name: /Ada Lovelace/ }).waitFor();
    assert.match(await page.locator("#who").textContent(), /Ada Lovelace.*Administrator/);
  });
});

test("the setup link works once", async () => {
  await inPage({}, async (page) => {
    const answer = await page.goto(`/setup?token=${windlass.token}`);
    if (answer.status() === 404) return;
    await page.getByLabel("Name").fill("Mallory");
    await page.getByLabel("Email").fill("mallory@example.org");
    await page.getByLabel("Password", { exact: true }).fill("correct horse battery staple");
    await page.getByRole("button", { name: "Create administrator" }).click();
    await page.locator("[role=alert]:visible, .error:not(:empty)").first().waitFor();
    assert.match(page.url(), /\/setup$/);
  });
});

test("who is not signed in is asked to, and then goes on to where they were going", async () => {
  await inPage({}, async (page) => {
    await page.goto("/?q=ada");
    await page.waitForURL(/\/login\?next=/);
    await page.getByLabel("Email").fill(ADMIN.email);
    await page.getByLabel("Password", { exact: true }).fill(ADMIN.password);
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/\?q=ada$/);
    await page.getByRole("rowheader", { name: /Ada Lovelace/ }).waitFor();
  });
});

test("a wrong password is refused without telling what was wrong", async () => {
  await inPage({}, async (page) => {
    await logIn(page, { ...ADMIN, password: "wrong" });
    const known = await page.getByRole("alert").filter({ visible: true }).locator("p").first().textContent();
    await logIn(page, { email: "nobody@example.org", password: "wrong" });
    const unknown = await page.getByRole("alert").filter({ visible: true }).locator("p").first().textContent();
    assert.equal(known, unknown);
    assert.match(page.url(), /\/login$/);
  });
});

test("an administrator creates a viewer", async () => {
  await inPage({}, async (page) => {
    await logIn(page, ADMIN);
    await page.getByRole("button", { name: "New user" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill(VIEWER.name);
    await dialog.getByLabel("Email").fill(ADMIN.email);
    await dialog.getByLabel("Password", { exact: true }).fill(VIEWER.password);
    await dialog.getByRole("button", { name: "Create user" }).click();
    await dialog.locator("#new-email-error:not(:empty), [role=alert]:visible").first().waitFor();
    await dialog.getByLabel("Email").fill(VIEWER.email);
    await dialog.getByRole("button", { name: "Create user" }).click();
    await page.getByText("Created Grace Hopper (Viewer).").waitFor();
    await page.getByRole("rowheader", { name: /Grace Hopper/ }).waitFor();
    assert.equal(await dialog.isVisible(), false);
  });
});

test("a viewer may not create users and is told why", async () => {
  await inPage({}, async (page) => {
    await logIn(page, VIEWER);
    await page.getByText("Needs Administrator").waitFor();
    await page.getByRole("button", { name: "New user" }).click({ force: true });
    assert.equal(await page.getByRole("dialog").isVisible(), false);
    await page.getByText("needs the role Operator").waitFor();
  });
});

test("logging out ends the session", async () => {
  await inPage({}, async (page) => {
    await logIn(page, ADMIN);
    await page.getByRole("button", { name: "Log out" }).click();
    await page.waitForURL(/\/login$/);
    await page.goto("/");
    await page.waitForURL(/\/login/);
  });
});

test("login and overview have no accessibility findings, in light and dark, wide and narrow", async () => {
  for (const look of LOOKS) {
    await inPage(look, async (page, misdeeds) => {
      await logIn(page, { ...ADMIN, password: "wrong" });
      await page.getByRole("alert").filter({ visible: true }).waitFor();
      assert.deepEqual(await findings(page, named("login", look), misdeeds), []);
      await logIn(page, ADMIN);
      await page.getByRole("rowheader", { name: /Ada Lovelace/ }).waitFor();
      await page.getByRole("rowheader", { name: "Gateway" }).waitFor();
      assert.deepEqual(await findings(page, named("overview", look), misdeeds), []);
      await page.getByRole("button", { name: "New user" }).click();
      assert.deepEqual(await findings(page, named("new-user", look), misdeeds), []);
      await page.keyboard.press("Escape");
      assert.equal(await page.getByRole("dialog").isVisible(), false);
    });
  }
});

test("the theme that was chosen stays", async () => {
  await inPage({ theme: "light" }, async (page) => {
    await page.goto("/login");
    await page.getByRole("button", { name: "Dark theme" }).click();
    await page.reload();
    await page.getByRole("button", { name: "Light theme" }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  });
});
