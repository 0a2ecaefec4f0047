// Small parts that every page uses. Text goes into the page as text, never as markup.

/** An element: el("p", {class: "x", onclick: f}, "text", child). */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const SHAPES = {
  ok: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM4.9 8.2l2.2 2.2 4-4.6",
  failed: "M5.3 1.5h5.4l3.8 3.8v5.4l-3.8 3.8H5.3l-3.8-3.8V5.3ZM5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8",
  degraded: "M8 1.8 15 14H1ZM8 6.2v3.6M8 11.6v.6",
  pending: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Z",
};

/** Icon, word and colour; the shape alone is enough. */
export function status(kind, word) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of [["viewBox", "0 0 16 16"], ["aria-hidden", "true"], ["class", "icon"]])
    svg.setAttribute(name, value);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SHAPES[kind]);
  svg.append(path);
  return el("span", { class: `status status-${kind}` }, svg, word);
}

const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });
const UNITS = [["year", 31_557_600], ["month", 2_629_800], ["day", 86_400], ["hour", 3_600], ["minute", 60]];

const TICK_MS = 1_000;

function agoWords(date) {
  const seconds = (date.getTime() - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  return Math.abs(seconds) < 10 ? "just now" : RELATIVE.format(Math.round(seconds / size), unit);
}

/** "3 min ago", with the exact time on hover; it goes on with tickTimes(). */
export function ago(text) {
  if (!text) return "—";
  const date = new Date(text);
  const exact = date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
  return el("time", { datetime: text, title: exact, class: "ago" }, agoWords(date));
}

/** All relative times of the page go on together. */
export function tickTimes() {
  setInterval(() => {
    for (const node of document.querySelectorAll("time.ago")) {
      const words = agoWords(new Date(node.dateTime));
      if (node.textContent !== words) node.textContent = words;
    }
  }, TICK_MS);
}

/** Makes the children of `node` those, and leaves alone what is the same: focus and selection stay. Listeners of
 * what is left alone stay too, so that those of `children` must do the same. */
export function patch(node, children) {
  children.forEach((child, i) => {
    const old = node.childNodes[i];
    if (!old) node.append(child);
    else if (old.isEqualNode(child)) return;
    else if (old.nodeName !== child.nodeName || old.nodeType !== Node.ELEMENT_NODE || !old.cloneNode().isEqualNode(child.cloneNode()))
      old.replaceWith(child);
    else patch(old, [...child.childNodes]);
  });
  while (node.childNodes.length > children.length) node.lastChild.remove();
}

/** The number in "worker-1"; "worker" is shard 0; null: it is no worker. */
export function shardOf(service) {
  const match = service.match(/^worker(?:-(\d+))?$/);
  return match ? Number(match[1] ?? 0) : null;
}

const SERVICE_NAMES = { gateway: "Gateway", database: "database", worker: "Worker Service", ai: "AI Service" };

/** What a service is called within a sentence. */
export function serviceName(service) {
  return shardOf(service) > 0 ? `Worker Service of shard ${shardOf(service)}` : (SERVICE_NAMES[service] ?? service);
}

/** What a person reads of an error: what happened, and what to do. */
export function explain(error) {
  const help = {
    NETWORK: "Check that it runs, then try again.",
    TIMEOUT: "Try again in a moment.",
    DATABASE_UNAVAILABLE: "The database is out of reach; nothing was saved. Try again in a moment.",
    INTERNAL: "Try again; when it stays, the server's log tells more.",
  }[error.code];
  return [sentence(error.message), help].filter(Boolean).join(" ");
}

export function capitalized(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function sentence(text) {
  const upper = capitalized(text);
  return /[.!?]$/.test(upper) ? upper : `${upper}.`;
}

/** The error's code and request id, to copy into a report. */
export function errorDetails(error) {
  const parts = [error.code, error.requestId && `request ${error.requestId}`].filter(Boolean);
  return el("p", { class: "details" }, parts.join(" · "));
}

/**
 * Wires a form: `submit(values)` runs with the button busy, once at a time. `fields` names the inputs
 * that an error may belong to; what belongs to none is shown above the button.
 */
export function form(node, { submit, validate = () => ({}), fieldOf = () => null }) {
  const button = node.querySelector("button[type=submit]");
  const summary = node.querySelector(".form-error");
  const label = button.textContent;
  let running = false;

  const show = (input, message) => {
    const slot = document.getElementById(`${input.id}-error`);
    input.setAttribute("aria-invalid", message ? "true" : "false");
    slot.textContent = message ?? "";
  };
  const clear = () => {
    summary.hidden = true;
    summary.replaceChildren();
    for (const input of node.querySelectorAll("input")) {
      if (document.getElementById(`${input.id}-error`)) show(input, null);
    }
  };
  const showAll = (messages) => {
    const wrong = Object.keys(messages).map((name) => node.elements[name]);
    for (const input of wrong) show(input, messages[input.name]);
    wrong[0]?.focus();
    return wrong.length > 0;
  };

  node.noValidate = true;
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running) return;
    clear();
    const values = Object.fromEntries(new FormData(node));
    if (showAll(validate(values))) return;
    running = true;
    button.setAttribute("aria-disabled", "true");
    button.textContent = button.dataset.busy;
    try {
      await submit(values);
    } catch (error) {
      if (error.code === undefined) throw error;
      const field = error.code === "BAD_USER_INPUT" || error.code === "CONFLICT" ? fieldOf(error) : null;
      if (field) showAll({ [field]: explain(error) });
      else if (error.code === "RATE_LIMITED" && error.retryAfterSeconds > 0) countDown(summary, error);
      else summary.replaceChildren(el("p", {}, explain(error)), errorDetails(error));
      summary.hidden = Boolean(field);
    } finally {
      running = false;
      button.removeAttribute("aria-disabled");
      button.textContent = label;
    }
  });
}

function countDown(slot, error) {
  const until = Date.now() + error.retryAfterSeconds * 1000;
  const left = el("span", { class: "number" });
  slot.replaceChildren(el("p", {}, "Too many attempts. Try again in ", left, "."));
  const tick = () => {
    const seconds = Math.ceil((until - Date.now()) / 1000);
    if (!left.isConnected) return;
    if (seconds <= 0) {
      slot.hidden = true;
      return;
    }
    left.textContent = seconds >= 120 ? `${Math.ceil(seconds / 60)} min` : `${seconds} s`;
    setTimeout(tick, 1000);
  };
  tick();
}

/** The button beside a password that shows it, and the hint that caps lock is on. */
export function passwordField(input) {
  const toggle = document.getElementById(`${input.id}-show`);
  toggle.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    toggle.setAttribute("aria-pressed", String(shown));
    toggle.textContent = shown ? "Hide" : "Show";
  });
  const caps = document.getElementById(`${input.id}-caps`);
  if (!caps) return;
  for (const kind of ["keydown", "keyup"]) {
    input.addEventListener(kind, (event) => {
      caps.hidden = !event.getModifierState?.("CapsLock");
    });
  }
}

/** The button that changes between the light and the dark theme, and remembers it. */
export function themeButton(button) {
  const dark = () =>
    (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) ===
    "dark";
  const label = () => {
    button.textContent = dark() ? "Light theme" : "Dark theme";
  };
  button.addEventListener("click", () => {
    const chosen = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = chosen;
    localStorage.setItem("windlass.theme", chosen);
    label();
  });
  label();
}

export function validEmail(text) {
  return /^[^\s@]+@[^\s@]+$/.test(text);
}
