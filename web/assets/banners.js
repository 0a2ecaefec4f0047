// What a person must know of the state of things, under the top bar: the gravest first, two at the most.
import { el, serviceName, shardOf, status } from "./ui.js";

const BANNERS_MAX = 2;
const BACK_FOR_MS = 5_000;
const LAG_S_MAX = 10;

const clock = (at) => el("time", { datetime: new Date(at).toISOString(), class: "fixed" },
  new Date(at).toLocaleTimeString(undefined, { timeStyle: "short" }));

/** Each banner: who it is about, its words, and whether nothing can be saved. */
function ofService({ name, status: state, since, feedLagSeconds: lag }) {
  const who = serviceName(name);
  const gone = ["The ", who, " has been out of reach since ", clock(since), ". "];
  if (name === "database" && state === "DOWN")
    return { key: name, who, weight: 4, words: [...gone, "Nothing can be saved."], blocks: true };
  if (shardOf(name) !== null && state === "DOWN")
    return { key: name, who, weight: 3, words: [...gone, "Lists show the copy from then. New tasks are kept and will be handed over."] };
  if (name === "ai" && state === "DOWN")
    return { key: name, who, weight: 2, words: [...gone, "Insights are the last ones; the assistant answers with the built-in analyst."] };
  if (lag > LAG_S_MAX)
    return { key: `${name}-lag`, weight: 1, words: [`Live updates${shardOf(name) > 0 ? ` of the ${who}` : ""} are ${Math.round(lag)} s behind.`] };
  return null;
}

/** Of a report on the services. */
export const ofReport = (report) => report.services.map(ofService).filter(Boolean);

/** Of a report that did not come; `loaded` is when the last one did, or null. Null where that says nothing new. */
export function ofFailure(error, loaded) {
  const showing = loaded === null ? [] : [" Showing what was loaded at ", clock(loaded), "."];
  if (!navigator.onLine) return [{ key: "offline", weight: 5, words: ["You are offline.", ...showing], blocks: true }];
  if (error.code === "DATABASE_UNAVAILABLE")
    return [{ key: "database", who: serviceName("database"), weight: 4, words: ["The database is out of reach. Nothing can be saved.", ...showing], blocks: true }];
  if (error.code === "NETWORK" || error.code === "TIMEOUT")
    return [{ key: "server", who: "server", weight: 5, words: ["The server does not answer.", ...showing], blocks: true }];
  return null;
}

/** Keeps `node` in step with what is told to it: `show(banners)`; those that are gone say so for a while. */
export function bannerBoard(node) {
  let shown = new Map();
  return function show(banners) {
    const sorted = banners.toSorted((a, b) => b.weight - a.weight).slice(0, BANNERS_MAX);
    const keys = new Set(banners.map(({ key }) => key));
    const next = new Map();
    for (const banner of sorted) {
      const text = banner.words.map((part) => part.textContent ?? part).join("");
      const old = shown.get(banner.key);
      if (old?.textContent === text) next.set(banner.key, old);
      else next.set(banner.key, el("div", { class: "banner", role: banner.weight >= 4 ? "alert" : null, "data-who": banner.who ?? null },
        status(banner.weight >= 2 ? "failed" : "degraded", ""), el("span", {}, ...banner.words)));
    }
    const back = [...shown].filter(([key, old]) => !keys.has(key) && old.dataset.who && !old.dataset.back);
    shown = next;
    const leaving = [...node.querySelectorAll("[data-back]")];
    for (const [, old] of back) {
      const gone = el("div", { class: "banner back", "data-back": true }, status("ok", ""), `The ${old.dataset.who} is back.`);
      leaving.push(gone);
      setTimeout(() => gone.remove(), BACK_FOR_MS);
    }
    const wanted = [...next.values(), ...leaving];
    if (wanted.length !== node.children.length || wanted.some((child, i) => child !== node.children[i])) node.replaceChildren(...wanted);
  };
}
