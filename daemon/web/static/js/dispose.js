// What became of an alarm: the occurrences that still need cause and measure, with the time left,
// and the form that says them or verifies what another person wrote.
import { SHAPES, millis, place, span, tagOf } from "./format.js";
import { t } from "./i18n.js";

const LOOK_MS = 5000;
const SHOWN_MAX = 200;
const DONE_MAX = 1000;
const TEXTS = ["cause", "measure", "evidence"];
const keyOf = (item) => `${item.id}|${item.occurrence}`;
// What is typed outlives a redraw of the panel: alarms go on while a person writes.
let draft = { key: "", fields: {} };

function make(tag, className, words) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (words !== undefined) node.textContent = words;
  return node;
}

function left(found, now) {
  const rest = millis(found.due) - now;
  return rest < 0 ? t("dispose.overdue", { n: span(-rest) }) : t("dispose.left", { n: span(rest) });
}

export class Undisposed {
  constructor(state, on) {
    this.state = state;
    this.on = on; // {open(item), changed()}
    this.items = new Map();
    this.done = new Set();
    this.root = document.getElementById("undisposed");
    this.sequence = 0;
    this.looked = -LOOK_MS; // The first look waits for nothing.
  }

  // The newest that is known of an occurrence.
  of(item) {
    const key = keyOf(item);
    if (!this.items.has(key) && this.done.has(key)) return { ...item, disposition: { ...item.disposition, state: "verified" } };
    const listed = this.items.get(key);
    if (!listed) return item;
    const { disposition: said } = item;
    const newer = said?.revision > listed.disposition.revision ? said : listed.disposition;
    return { ...(listed.version > item.version ? listed : item), disposition: newer };
  }

  // The journal has grown: what it says of dispositions is asked for, not more often than needed.
  grown(sequence) {
    if (sequence === this.sequence || performance.now() - this.looked < LOOK_MS) return this.draw();
    this.sequence = sequence;
    return this.look();
  }

  async look() {
    this.looked = performance.now();
    const answer = await fetch("/api/v1/alarms?disposition=open").catch(() => null);
    if (!answer?.ok) return;
    const items = new Map((await answer.json()).items.map((item) => [keyOf(item), item]));
    if (this.done.size > DONE_MAX) this.done.clear();
    for (const key of this.items.keys()) if (!items.has(key)) this.done.add(key);
    this.items = items;
    this.draw();
  }

  clear() {
    this.items = new Map();
    this.sequence = 0;
    this.looked = -LOOK_MS; // The first look waits for nothing.
    this.draw();
  }

  draw() {
    const now = this.state.now();
    const items = [...this.items.values()];
    const late = items.filter((item) => item.disposition.overdue).length;
    this.root.hidden = !items.length;
    const summary = this.root.querySelector("summary");
    summary.textContent = t("dispose.count", { n: items.length, late });
    summary.className = late ? "warn" : "";
    if (!this.root.open) return;
    this.root.querySelector("ol").replaceChildren(...items.slice(0, SHOWN_MAX).map((item) => {
      const row = make("li");
      const button = make("button", "", `${SHAPES[item.grade]} ${t(`grade.${item.grade}`)} ${place(item, this.state.hello)} ${tagOf(item, this.state.hello)} · ${t(`dispose.${item.disposition.state}`)} · ${item.disposition.state === "open" ? left(item.disposition, now) : item.disposition.person}`);
      button.type = "button";
      button.dataset.undisposed = keyOf(item);
      button.onclick = () => this.on.open(item);
      row.append(button);
      return row;
    }));
  }
}

// The part of an alarm's panel; `act(action, item, fields)` sends the command.
export function disposal(item, state, act) {
  const box = make("section", "disposal");
  const found = item.disposition;
  if (!found) return box;
  const rest = found.state === "open" ? left(found, state.now()) : "";
  const said = [t("dispose.title"), t(`dispose.${found.state}`), found.person, found.second, rest];
  box.append(make("p", found.overdue ? "warn" : "muted", said.filter(Boolean).join(" · ")));
  for (const name of TEXTS) if (found[name]) box.append(make("p", "", `${t(`dispose.${name}`)}: ${found[name]}`));
  if (!state.hello?.actions.includes("dispose") || found.state === "verified") return box;
  const revision = found.revision;
  if (found.state === "handled") {
    const verify = make("button", "", t("dispose.verify"));
    verify.type = "button";
    verify.dataset.act = "verify";
    verify.disabled = found.person === state.hello.person;
    verify.title = verify.disabled ? t("dispose.other") : "";
    verify.onclick = () => act("dispose", item, { verify: true, revision });
    box.append(verify);
  }
  box.append(form(item, found, (fields) => act("dispose", item, { ...fields, revision })));
  return box;
}

function form(item, found, submit) {
  const box = make("form", "mask");
  box.dataset.form = "dispose";
  const key = keyOf(item);
  const typed = draft.key === key ? draft.fields : {};
  box.oninput = () => { draft = { key, fields: Object.fromEntries(new FormData(box)) }; };
  for (const name of TEXTS) {
    const label = make("label", "", t(`dispose.${name}`));
    const required = name !== "evidence" || item.peak === "red";
    label.append(Object.assign(make("input"), { name, required, maxLength: 200, value: typed[name] ?? found[name] }));
    box.append(label);
  }
  box.append(make("p", "muted", t("dispose.hint")), make("button", "", t("dispose.send")));
  box.onsubmit = (event) => {
    event.preventDefault();
    submit(Object.fromEntries(new FormData(box)));
  };
  return box;
}
