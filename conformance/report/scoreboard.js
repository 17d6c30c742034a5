"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const cases = new Map(data.cases.map((item) => [item.id, item]));
const backends = new Map(data.backends.map(({ name, results }) => [name, new Map(results.map((item) => [item.id, item]))]));
const entries = data.backends
  .flatMap(({ name, results }) => results.map((result) => ({ backend: name, result, text: result.id.toLowerCase() })))
  .sort((a, b) => data.statuses.indexOf(a.result.status) - data.statuses.indexOf(b.result.status));
const byId = (id) => document.getElementById(id);
const page = document.documentElement;

// Text goes into the page as text nodes alone: nothing in a report can become markup.
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value || value === 0) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child));
  return node;
}

// Text of a clause or an error has its code in double backticks.
const prose = (text) => text.split(/``(.+?)``/).map((part, index) => (index % 2 ? element("code", {}, part) : part));
// A command breaks between its words, not at the hyphens in them.
const words = (text) => text.split(/(\s+)/).map((part, index) => (index % 2 ? part : element("span", { class: "word" }, part)));
const number = (value) => value.toLocaleString("en");
const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
const link = (...parts) => `#${parts.map(encodeURIComponent).join("/")}`;
const duration = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

function tone(status) {
  if (status === "pass") return "good";
  if (!data.good.includes(status)) return "bad";
  return status === "xfail" ? "warn" : "none";
}

function provisional(id) {
  return cases.get(id)?.status === "provisional";
}

// Thousands of rows at once would make the page slow.
function fill(list, items, row, chunk = 100) {
  let shown = 0;
  const more = element("button", { type: "button", class: "more", onclick: () => add().querySelector("a, summary")?.focus() });
  function add() {
    const fresh = items.slice(shown, shown + chunk).map(row);
    list.append(...fresh);
    shown += fresh.length;
    more.textContent = `Show ${number(Math.min(chunk, items.length - shown))} of ${number(items.length - shown)} more`;
    more.hidden = shown === items.length;
    return fresh[0];
  }
  list.replaceChildren();
  if (list.nextElementSibling?.matches(".more")) list.nextElementSibling.remove();
  list.after(more);
  add();
}

function place(result) {
  const step = result.step != null && `step ${result.step}`;
  return [[step, result.verb].filter(Boolean).join(" "), result.observable].filter(Boolean).join(" · ");
}

// A failure's message only says what its parts say.
function parted(result) {
  return !data.good.includes(result.status) && result.expected && result.received;
}

// Each line is cut by itself: a long answer hides neither what was expected nor where.
function lines(result) {
  const line = (...children) => element("span", { class: "line" }, ...children);
  const uncounted = provisional(result.id) && "provisional, not counted";
  if (!parted(result)) {
    const said = [uncounted, result.message].filter(Boolean).join(": ");
    return said && line(prose(said));
  }
  return [
    line([uncounted, place(result)].filter(Boolean).join(": ")),
    line("expected ", element("span", { class: "answer" }, result.expected)),
    line("received ", element("span", { class: "answer" }, result.received)),
  ];
}

function caseRow({ backend, result }, ...below) {
  return element("li", {},
    element("a", { class: "case", href: link(backend, result.id) },
      element("span", { class: tone(result.status) }, result.status),
      element("span", { class: "id" }, result.id),
      element("span", { class: "quiet where" }, backend),
      lines(result)),
    ...below);
}

function folded(summary, items, row) {
  const list = element("ul", { class: "rows" });
  const open = { once: true };
  const details = element("details", {}, element("summary", {}, summary), list);
  details.addEventListener("toggle", () => fill(list, items, row), open);
  return details;
}

function show(section, items, row, chunk) {
  section.hidden = items.length === 0;
  if (items.length) fill(section.querySelector(".rows"), items, row, chunk);
}

function rootRow({ backend, ids: [root, ...blocked] }) {
  const entry = (id) => ({ backend, result: backends.get(backend).get(id) });
  return caseRow(entry(root), blocked.length && folded(`blocks ${plural(blocked.length, "case")}`, blocked.map(entry), (item) => caseRow(item)));
}

function differenceRow(item) {
  return element("li", {},
    element("a", { class: "case", href: link(item.backends[0], item.id) },
      element("span", { class: "warn" }, "differs"),
      element("span", { class: "id" }, item.id),
      element("span", { class: "quiet" }, `step ${item.step}`),
      element("span", { class: "line" }, prose(item.line))));
}

function changeRow([id, backend, before, now]) {
  return element("li", {},
    element(now ? "a" : "span", { class: "case", href: now && link(backend, id) },
      element("span", { class: now ? tone(now) : "none" }, now || "gone"),
      element("span", { class: "id" }, id),
      element("span", { class: "quiet" }, backend),
      element("span", { class: "line" }, before ? `${before} before` : "not in the earlier report")));
}

function showChanges(changes) {
  const groups = [
    ["new failure", changes.new_failures],
    ["fixed result", changes.fixed],
    ["other change", changes.other],
    ["new result", changes.new_cases],
    ["gone result", changes.gone_cases],
  ].filter(([, items]) => items.length);
  byId("changes").hidden = false;
  byId("changes-since").textContent = `Compared with ${changes.since}. ${groups.length || changes.backends.length ? "" : "Nothing changed."}`;
  byId("changes-groups").append(
    element("ul", {}, changes.backends.map((line) => element("li", {}, line))),
    ...groups.map(([noun, items]) => folded(plural(items.length, noun), items, changeRow)));
  byId("changes-groups").querySelector("details")?.setAttribute("open", "");
}

function filter() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const backend = byId("backend").value;
  const checked = new Set([...document.querySelectorAll("#statuses :checked")].map((box) => box.value));
  const found = entries.filter((entry) =>
    (!backend || entry.backend === backend) &&
    (!checked.size || checked.has(entry.result.status)) &&
    words.every((word) => entry.text.includes(word)));
  byId("found").textContent = `${plural(found.length, "result")} of ${number(entries.length)}`;
  fill(byId("results"), found, (entry) => caseRow(entry));
}

function showFilters() {
  byId("backend").append(...data.backends.map(({ name }) => element("option", { value: name }, name)));
  const counts = Map.groupBy(entries, (entry) => entry.result.status);
  byId("statuses").append(...data.statuses.filter((status) => counts.has(status)).map((status) =>
    element("label", {}, element("input", { type: "checkbox", value: status }),
      element("span", { class: tone(status) }, `${status} ${number(counts.get(status).length)}`))));
  byId("search").addEventListener("input", filter);
  byId("backend").addEventListener("change", filter);
  byId("statuses").addEventListener("change", filter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", { class: "unseen" });
    area.value = text;
    button.after(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = "Copied";
  byId("said").textContent = "Copied to the clipboard";
  setTimeout(() => { button.textContent = "Copy"; byId("said").textContent = ""; }, 2000);
}

function block(title, text, copied = false, shown = (text) => text) {
  if (!text) return [];
  const button = copied && element("button", { type: "button", "aria-label": `Copy: ${title}`, onclick: () => copy(text, button) }, "Copy");
  return [element("h3", {}, title, button), element("pre", { tabindex: 0, "aria-label": title }, shown(text))];
}

function value(json) {
  const text = JSON.stringify(json);
  if (text.length < 240) return element("code", {}, text);
  return element("details", {}, element("summary", {}, element("code", {}, `${text.slice(0, 80)} ...`)), element("pre", {}, JSON.stringify(json, null, 1)));
}

function steps(item, result) {
  if (!item.steps) return [];
  const lines = item.steps.map(([verb, ...given], index) => {
    const failed = result.step === index && !data.good.includes(result.status);
    const asked = (item.ask || []).filter(([step]) => step === index).map(([, observable]) => observable);
    const expected = item.expect?.[index];
    return element("li", { class: failed && "failed" },
      element("span", { class: "quiet" }, String(index)),
      element("div", {},
        element("strong", {}, verb), failed && element("span", { class: "bad" }, " — failed here"), " ", given.map(value),
        asked.length && element("span", { class: "asked quiet" }, `asked: ${asked.join(", ")}`),
        expected && element("span", { class: "asked quiet" }, "expected: ", value(expected))));
  });
  return [element("h3", {}, "Steps"), element("ol", { class: "steps" }, lines)];
}

function clauseOf(item, result) {
  return result.clause || item.clause;
}

function facts(item, result) {
  const rows = {
    Clause: !data.clauses[clauseOf(item, result)] && clauseOf(item, result),
    Level: item.level,
    Feature: item.feature,
    Capabilities: item.capabilities?.join(", "),
    Oracle: item.oracle,
    Since: item.since,
    Took: result.ms != null && duration(result.ms),
    Attempts: result.attempts > 1 && String(result.attempts),
    Needs: item.needs?.length && item.needs.join(", "),
  };
  return element("dl", { class: "facts" }, Object.entries(rows).filter(([, text]) => text).map(([name, text]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, text))));
}

function elsewhere(backend, id) {
  const others = [...backends].filter(([name, results]) => name !== backend && results.has(id));
  return others.length && element("ul", { class: "elsewhere", "aria-label": "This case on other backends" }, others.map(([name, results]) => {
    const status = results.get(id).status;
    return element("li", {}, element("a", { href: link(name, id) }, element("span", { class: tone(status) }, status), ` on ${name}`));
  }));
}

function differences(id) {
  return data.differences.filter((item) => item.id === id).flatMap((item) => [
    element("h3", {}, `Differs between backends: step ${item.step}, ${item.observable}`),
    element("p", {}, prose(item.line)),
    element("table", { class: "values" }, element("tbody", {}, item.backends.map((name, index) =>
      element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, element("code", {}, item.values[index])))))),
  ]);
}

function caseDetail(backend, id, result) {
  const item = cases.get(id);
  const clause = data.clauses[clauseOf(item, result)];
  const where = place(result);
  const notes = [
    provisional(id) && "Provisional: run and shown, not counted.",
    result.order_dependent && "Order-dependent: alone, this case gave another result.",
  ];
  return [
    element("p", { class: "verdict" }, element("strong", { class: tone(result.status) }, result.status), ` on ${backend}`, where && element("span", { class: "quiet" }, ` · ${where}`)),
    elsewhere(backend, id),
    result.needs
      ? element("p", {}, "Blocked by ", element("a", { class: "id", href: link(backend, result.needs) }, result.needs))
      : !parted(result) && result.message && element("p", {}, prose(result.message)),
    result.reason && result.reason !== result.message && element("p", {}, prose(result.reason)),
    ...notes.map((note) => note && element("p", { class: "warn" }, note)),
    (result.expected || result.received) && element("div", { class: "pair" },
      element("div", {}, block("Expected", result.expected)), element("div", {}, block("Received", result.received))),
    ...block("Run this case again", result.command, true, words),
    clause && element("h3", {}, `Clause ${clauseOf(item, result)}`),
    clause && element("p", {}, prose(clause)),
    facts(item, result),
    ...steps(item, result),
    ...block("Script without Isomorph", result.script, true),
    ...block("Log", (result.log || []).map((line) => data.lines[line]).join("\n")),
    ...block("Standard error", result.stderr),
    ...differences(id),
  ];
}

function present(title, titleClass, back, body) {
  const dialog = byId("detail");
  byId("detail-title").textContent = title;
  byId("detail-title").className = titleClass;
  byId("detail-back").replaceChildren(...back);
  byId("detail-body").replaceChildren(...body.filter(Boolean));
  // The page behind keeps its width while the panel covers its scrollbar.
  if (!dialog.open) page.style.setProperty("--scrollbar", `${innerWidth - page.clientWidth}px`);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  byId("detail-title").focus({ preventScroll: true });
}

// Shows what the address names: #backend/case-id or #backend/level/feature.
function route() {
  const dialog = byId("detail");
  let parts = [];
  try {
    parts = location.hash.slice(1).split("/").map(decodeURIComponent);
  } catch { /* a hand-typed address: no part of this report */ }
  const [backend, second, feature] = parts;
  if (parts.length < 2) {
    if (dialog.open) dialog.close();
  } else if (parts.length === 2 && backends.get(backend)?.has(second)) {
    const item = cases.get(second);
    const back = element("a", { href: link(backend, item.level, item.feature) }, `All of ${item.feature} on ${backend}`);
    present(second, "id", [back], caseDetail(backend, second, backends.get(backend).get(second)));
  } else {
    const found = entries.filter(({ backend: name, result: { id } }) =>
      name === backend && cases.get(id).level === second && cases.get(id).feature === feature);
    const list = element("ul", { class: "rows" });
    const summary = found.length ? `${second} level, ${plural(found.length, "case")}` : "This report has nothing at this address.";
    present(found.length ? `${feature} on ${backend}` : "Not found", "", [], [element("p", { class: "note" }, summary), list]);
    fill(list, found, (entry) => caseRow(entry));
  }
}

byId("close").addEventListener("click", () => byId("detail").close());
byId("detail").addEventListener("click", (event) => event.target === byId("detail") && byId("detail").close());
byId("detail").addEventListener("close", () => {
  if (location.hash.includes("/")) history.pushState(null, "", location.href.split("#")[0]);
});
window.addEventListener("hashchange", route);
window.addEventListener("popstate", route);

// The theme is the system's until the button says otherwise.
function setTheme(theme) {
  if (theme) page.dataset.theme = theme;
  const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  byId("theme").textContent = dark ? "Light theme" : "Dark theme";
  byId("theme").value = dark ? "light" : "dark";
}

function remembered(theme) {
  // A browser may refuse storage to a page opened from a file.
  try {
    if (theme) localStorage.setItem("isomorph-theme", theme);
    return theme || localStorage.getItem("isomorph-theme");
  } catch {
    return theme;
  }
}

byId("theme").addEventListener("click", () => setTheme(remembered(byId("theme").value)));
byId("interesting").addEventListener("change", (event) => byId("matrix").classList.toggle("interesting", event.target.checked));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(remembered()));

// Only a table that needs no scrolling of its own can have its header stick to the window.
new ResizeObserver(([{ target }]) => {
  const fits = byId("matrix").offsetWidth <= target.clientWidth;
  target.classList.toggle("fits", fits);
  target.tabIndex = fits ? -1 : 0;
}).observe(byId("matrix").parentElement);

setTheme(remembered());
showFilters();
filter();
if (data.changes) showChanges(data.changes);
show(byId("failures"), data.backends.flatMap(({ name, roots }) => roots.map((ids) => ({ backend: name, ids }))), rootRow, 20);
show(byId("differences"), data.differences, differenceRow, 20);
route();
