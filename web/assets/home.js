import { ApiError, createUser, health, logout, me, users } from "./api.js";
import { bannerBoard, ofFailure, ofReport } from "./banners.js";
import { strengthMeter } from "./password.js";
import {
  ago, capitalized, el, errorDetails, explain, form, passwordField, patch, serviceName, status, themeButton, tickTimes, validEmail,
} from "./ui.js";

const $ = (id) => document.getElementById(id);
const ROLES = { VIEWER: "Viewer", OPERATOR: "Operator", ADMIN: "Administrator" };
const PAGE = 50;
const HEALTH_EVERY_MS = 3_000;
const SLOW_MS = 4_000;

let user = null;
let blocked = ""; // why nothing can be saved; "" where it can

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

const turns = new Map(); // of an area: how often it was asked for

/**
 * Fills an area: skeleton while it loads, then what `load` gives, `children` and the `note` beside the heading, or
 * the error with a retry. Of several that load at once the last one counts. `keep`: what is the same is left alone.
 */
async function area(node, rows, load, keep = false) {
  const turn = (turns.get(node) ?? 0) + 1;
  turns.set(node, turn);
  const isLast = () => turns.get(node) === turn;
  const fill = (children) => (keep ? patch(node, children) : node.replaceChildren(...children));
  node.setAttribute("aria-busy", "true");
  const empty = node.childElementCount === 0;
  const note = el("p", { class: "hint loading" });
  const skeleton = setTimeout(() => {
    if (empty && isLast()) node.replaceChildren(...Array.from({ length: rows }, () => el("div", { class: "skeleton" })), note);
  }, 150);
  const slow = setTimeout(() => {
    note.textContent = "Still working…";
  }, SLOW_MS);
  try {
    const loaded = await load();
    if (!isLast()) return;
    fill(loaded.children);
    $(`${node.id}-note`).replaceChildren(...loaded.note);
    node.classList.remove("stale");
  } catch (error) {
    if (error.code === undefined) throw error;
    if (!isLast()) return;
    if (error.code === "UNAUTHENTICATED" && !document.querySelector("dialog[open]")) return toLogin();
    const retry = el("button", { type: "button", class: "quiet", onclick: () => area(node, rows, load, keep) }, "Retry");
    const last = [...node.children].filter((child) => !child.matches(".skeleton, .area-error, .loading"));
    const told = el("div", { class: "area-error", role: "alert" }, status("failed", explain(error)), errorDetails(error), retry);
    const shown = node.querySelector(".area-error");
    if (!shown || shown.textContent !== told.textContent) node.replaceChildren(told, ...last);
    node.classList.toggle("stale", last.length > 0);
  } finally {
    clearTimeout(skeleton);
    clearTimeout(slow);
    if (isLast()) node.setAttribute("aria-busy", "false");
  }
}

// ── service health ──

const HEALTH = { UP: ["ok", "up"], DEGRADED: ["degraded", "degraded"], DOWN: ["failed", "down"] };
const showBanners = bannerBoard($("banner"));
let loadedAt = null; // when the last report came

function healthRow({ name, status: state, detail, since, latencyMs, feedLagSeconds }) {
  const cell = (label, ...content) => el("td", { "data-label": label }, ...content);
  const [kind, word] = HEALTH[state];
  const answer = latencyMs === null || state === "DOWN" ? "" : `answers in ${latencyMs.toFixed(1)} ms`;
  const lag = feedLagSeconds >= 1 && state !== "DOWN" ? `changes come ${Math.round(feedLagSeconds)} s late` : "";
  return el("tr", {},
    el("th", { scope: "row" }, capitalized(serviceName(name))),
    el("td", {}, status(kind, word)),
    cell("Since", ago(since)),
    el("td", {}, [detail, answer, lag].filter(Boolean).join(" · ")));
}

function outboxLine({ outboxWaiting: count, outboxOldestAt: oldest }) {
  if (count === 0) return null;
  const what = count === 1 ? "1 task or job waits" : `${count.toLocaleString()} tasks and jobs wait`;
  return el("p", { class: "hint warn outbox" }, `${what} to be handed to the Worker Service, the oldest since `, ago(oldest), ".");
}

function tell(banners) {
  blocked = banners.find((banner) => banner.blocks)?.words.map((part) => part.textContent ?? part).join("") ?? "";
  showBanners(banners);
  showCreate();
}

async function loadHealth() {
  let report;
  try {
    report = await health();
  } catch (error) {
    const banners = ofFailure(error, loadedAt);
    if (banners) tell(banners);
    throw error;
  }
  loadedAt = Date.now();
  tell(ofReport(report));
  return {
    note: ["checked ", ago(new Date().toISOString())],
    children: [
      el("table", { class: "cards" },
        el("caption", { class: "hidden-label" }, "Services and their state"),
        el("thead", {}, el("tr", {}, ...["Service", "State", "Since", "Detail"].map((head) => el("th", { scope: "col" }, head)))),
        el("tbody", {}, ...report.services.map(healthRow))),
      outboxLine(report),
      el("p", { class: "hint about" }, `Windlass ${report.version} · schema ${report.schemaVersion}`),
    ].filter(Boolean),
  };
}

/** Again and again, never two at once; not while nobody looks. */
function watchHealth() {
  const refresh = () => area($("health"), 2, loadHealth, true);
  let running = false;
  const round = async () => {
    if (running || document.visibilityState !== "visible") return;
    running = true;
    await refresh();
    running = false;
  };
  setInterval(round, HEALTH_EVERY_MS);
  for (const [target, event] of [[document, "visibilitychange"], [window, "online"], [window, "offline"]]) target.addEventListener(event, round);
  return round();
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
  await identify();
  if (user.role === "VIEWER") {
    $("search").hidden = true;
    const words = "The list of users needs the role Operator. Your own account is shown at the top of the page.";
    return { note: [], children: [el("p", { class: "empty" }, words)] };
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
    return page;
  };
  more.addEventListener("click", () => append().catch((error) => toast(explain(error))));
  const { nodes, totalCount } = await append();
  const note = [`${totalCount.toLocaleString()} ${search ? "found" : "in all"}`];
  if (nodes.length === 0) {
    const clear = el("button", { type: "button", class: "quiet", onclick: () => { $("search").value = ""; searched(); } }, "Clear the search");
    return { note, children: [el("p", { class: "empty" }, `No user matches “${search}”. `, clear)] };
  }
  return {
    note,
    children: [
      el("table", { class: "cards" },
        el("caption", { class: "hidden-label" }, "Users"),
        el("thead", {}, el("tr", {}, ...["Name", "Email", "Role", "Created", "Last seen"].map((head) => el("th", { scope: "col" }, head)))),
        body),
      more,
    ],
  };
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

/** Whether a user may be created now, and if not, why. */
function showCreate() {
  const why = user === null ? "" : user.role !== "ADMIN" ? "Needs Administrator" : blocked;
  if (user === null || why) $("new-user").setAttribute("aria-disabled", "true");
  else $("new-user").removeAttribute("aria-disabled");
  $("new-user-why").textContent = why;
}

function wireCreate() {
  const dialog = $("create");
  const node = dialog.querySelector("form");
  const hint = () => { $("new-role-hint").textContent = ROLE_HINTS[$("new-role").value]; };
  $("new-user").addEventListener("click", () => {
    if ($("new-user").hasAttribute("aria-disabled")) return;
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

let identifying = null; // while it is asked

/** Who is signed in: `user`. Nobody: as the server says it. */
function identify() {
  if (user) return Promise.resolve();
  identifying ??= me().then((found) => {
    if (!found) throw new ApiError("Nobody is signed in.", "UNAUTHENTICATED");
    user = found;
    showUser(user);
    showCreate();
  }).finally(() => { identifying = null; });
  return identifying;
}

function showUser({ name, role, email }) {
  $("who").replaceChildren(el("strong", {}, name), " ", el("span", { class: "badge" }, ROLES[role] ?? role));
  $("who").title = email ?? "";
  $("logout").hidden = false;
}

function wireLogout() {
  $("logout").addEventListener("click", async () => {
    try {
      await logout();
    } catch (error) {
      if (error.code !== "UNAUTHENTICATED") return toast(explain(error));
    }
    location.assign("login");
  });
}

function wireSearch() {
  $("search").value = new URLSearchParams(location.search).get("q") ?? "";
  let typing = 0;
  $("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(searched, 250);
  });
}

themeButton($("theme"));
tickTimes();
wireLogout();
wireCreate();
wireSearch();
watchHealth();
refreshUsers();
