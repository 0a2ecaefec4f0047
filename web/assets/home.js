import { createUser, health, logout, me, users } from "./api.js";
import { strengthMeter } from "./password.js";
import { ago, el, errorDetails, explain, form, passwordField, status, themeButton, validEmail } from "./ui.js";

const $ = (id) => document.getElementById(id);
const ROLES = { VIEWER: "Viewer", OPERATOR: "Operator", ADMIN: "Administrator" };
const PAGE = 50;
const HEALTH_EVERY_MS = 10_000;
const SLOW_MS = 4_000;

let user = null;

function toLogin() {
  const next = location.pathname.split("/").pop() + location.search;
  location.replace(next ? `login?next=${encodeURIComponent(next)}` : "login");
}

function toast(...content) {
  const close = el("button", { type: "button", class: "quiet", "aria-label": "Close this message", onclick: () => node.remove() }, "✕");
  const node = el("div", { class: "toast" }, el("span", {}, ...content), close);
  $("toasts").append(node);
  setTimeout(() => node.remove(), 6_000);
}

/** Fills an area: skeleton while it loads, then what `load` gives, or the error with a retry. */
async function area(node, rows, load) {
  node.setAttribute("aria-busy", "true");
  const empty = node.childElementCount === 0;
  const note = el("p", { class: "hint" });
  const skeleton = setTimeout(() => {
    if (empty) node.replaceChildren(...Array.from({ length: rows }, () => el("div", { class: "skeleton" })), note);
  }, 150);
  const slow = setTimeout(() => {
    note.textContent = "Still working…";
  }, SLOW_MS);
  try {
    node.replaceChildren(...(await load()));
    node.classList.remove("stale");
  } catch (error) {
    if (error.code === undefined) throw error;
    if (error.code === "UNAUTHENTICATED") return toLogin();
    const retry = el("button", { type: "button", class: "quiet", onclick: () => area(node, rows, load) }, "Retry");
    const last = [...node.children].filter((child) => !child.matches(".skeleton, .area-error, .hint"));
    node.replaceChildren(
      el("div", { class: "area-error", role: "alert" }, status("failed", explain(error)), errorDetails(error), retry), ...last);
    node.classList.toggle("stale", last.length > 0);
  } finally {
    clearTimeout(skeleton);
    clearTimeout(slow);
    node.setAttribute("aria-busy", "false");
  }
}

// ── service health ──

const SERVICE_NAMES = { gateway: "Gateway", database: "Database", worker: "Worker Service", ai: "AI Service" };
const HEALTH = { UP: ["ok", "up"], DEGRADED: ["degraded", "degraded"], DOWN: ["failed", "down"] };

function healthRow({ name, status: state, detail, since, latencyMs }) {
  const cell = (label, ...content) => el("td", { "data-label": label }, ...content);
  const [kind, word] = HEALTH[state];
  const answer = latencyMs === null ? "" : `answers in ${latencyMs.toFixed(1)} ms`;
  return el("tr", {},
    el("th", { scope: "row" }, SERVICE_NAMES[name] ?? name),
    el("td", {}, status(kind, word)),
    cell("Since", ago(since)),
    el("td", {}, [detail, answer].filter(Boolean).join(" · ")));
}

async function loadHealth() {
  const report = await health();
  $("health-age").replaceChildren("checked ", ago(new Date().toISOString()));
  return [
    el("table", { class: "cards" },
      el("caption", { class: "hidden-label" }, "Services and their state"),
      el("thead", {}, el("tr", {}, ...["Service", "State", "Since", "Detail"].map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, ...report.services.map(healthRow))),
    el("p", { class: "hint about" }, `Windlass ${report.version} · schema ${report.schemaVersion}`),
  ];
}

// ── users ──

function userRow(row) {
  const you = row.id === user.id ? el("span", { class: "badge" }, "you") : null;
  const cell = (label, ...content) => el("td", { "data-label": label }, ...content);
  return el("tr", {},
    el("th", { scope: "row" }, row.name, " ", you),
    cell("Email", row.email ?? "—"),
    cell("Role", ROLES[row.role] ?? row.role),
    cell("Created", ago(row.createdAt)),
    cell("Last seen", ago(row.lastSeenAt)));
}

async function loadUsers() {
  if (user.role === "VIEWER") {
    $("search").hidden = true;
    return [el("p", { class: "empty" }, "The list of users needs the role Operator. Your own account is shown at the top of the page.")];
  }
  const search = $("search").value.trim();
  const body = el("tbody");
  const more = el("button", { type: "button", class: "quiet" }, "Show more");
  let after = null;
  const append = async () => {
    const page = await users({ first: PAGE, after, search: search || null });
    body.append(...page.nodes.map(userRow));
    after = page.pageInfo.endCursor;
    more.hidden = !page.pageInfo.hasNextPage;
    $("users-count").textContent = `${page.totalCount.toLocaleString()} in all`;
    return page.nodes.length;
  };
  more.addEventListener("click", () => append().catch((error) => toast(explain(error))));
  if ((await append()) === 0) {
    const clear = el("button", { type: "button", class: "quiet", onclick: () => { $("search").value = ""; searched(); } }, "Clear the search");
    return [el("p", { class: "empty" }, `No user matches “${search}”. `, clear)];
  }
  return [
    el("table", { class: "cards" },
      el("caption", { class: "hidden-label" }, "Users"),
      el("thead", {}, el("tr", {}, ...["Name", "Email", "Role", "Created", "Last seen"].map((head) => el("th", { scope: "col" }, head)))),
      body),
    more,
  ];
}

const refreshUsers = () => area($("users"), 3, loadUsers);

function searched() {
  const url = new URL(location.href);
  const text = $("search").value.trim();
  if (text) url.searchParams.set("q", text);
  else url.searchParams.delete("q");
  history.replaceState(null, "", url);
  return refreshUsers();
}

// ── a new user ──

const ROLE_HINTS = {
  VIEWER: "Sees tasks, jobs and insights; changes nothing.",
  OPERATOR: "Also creates, retries and cancels tasks, and edits jobs.",
  ADMIN: "Also manages users, tokens and settings.",
};

function wireCreate() {
  const dialog = $("create");
  const node = dialog.querySelector("form");
  const hint = () => { $("new-role-hint").textContent = ROLE_HINTS[$("new-role").value]; };
  $("new-user").addEventListener("click", () => {
    if (user.role !== "ADMIN") return;
    node.reset();
    hint();
    $("new-password").dispatchEvent(new Event("input"));
    dialog.showModal();
  });
  $("create-cancel").addEventListener("click", () => dialog.close());
  $("new-role").addEventListener("change", hint);
  passwordField($("new-password"));
  strengthMeter($("new-password"), $("new-strength"), $("new-strength-words"), () => [$("new-name").value, $("new-email").value]);
  form(node, {
    validate: (values) => ({
      ...(values.name.trim() ? {} : { name: "Enter a name." }),
      ...(validEmail(values.email.trim()) ? {} : { email: "Enter an email address, such as ada@example.org." }),
      ...(values.password ? {} : { password: "Choose a password." }),
    }),
    fieldOf: (error) => ["password", "email", "name"].find((field) => error.message.includes(field)),
    async submit(values) {
      const made = await createUser({ ...values, name: values.name.trim(), email: values.email.trim() });
      dialog.close();
      toast(`Created ${made.name} (${ROLES[made.role]}).`);
      await refreshUsers();
    },
  });
}

// ── the page ──

async function start() {
  themeButton($("theme"));
  try {
    user = await me();
  } catch (error) {
    if (error.code === undefined) throw error;
    if (error.code === "UNAUTHENTICATED") return toLogin();
    $("banner").replaceChildren(el("div", { class: "area-error" }, status("failed", explain(error)), errorDetails(error),
      el("button", { type: "button", class: "quiet", onclick: () => location.reload() }, "Retry")));
    return;
  }
  if (!user) return toLogin();

  $("who").replaceChildren(el("strong", {}, user.name), " ", el("span", { class: "badge" }, ROLES[user.role] ?? user.role));
  $("who").title = user.email ?? "";
  $("logout").hidden = false;
  $("logout").addEventListener("click", async () => {
    try {
      await logout();
    } catch (error) {
      if (error.code !== "UNAUTHENTICATED") return toast(explain(error));
    }
    location.assign("login");
  });
  if (user.role !== "ADMIN") {
    $("new-user").setAttribute("aria-disabled", "true");
    $("new-user-why").textContent = "Needs Administrator";
  }
  wireCreate();
  $("search").value = new URLSearchParams(location.search).get("q") ?? "";
  let typing = 0;
  $("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(searched, 250);
  });

  const refreshHealth = () => area($("health"), 2, loadHealth);
  await Promise.all([refreshHealth(), refreshUsers()]);
  setInterval(() => document.visibilityState === "visible" && refreshHealth(), HEALTH_EVERY_MS);
}

start();
