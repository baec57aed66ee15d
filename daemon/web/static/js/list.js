// The alarm list: a fixed band of red, and below it every other alarm, windowed: only the rows in
// view exist in the page, none is ever dropped. Order freezes while the pointer is among the rows.
import { ROMAN, SHAPES, UNACKED, URGENCY, alarmName, clock, judged, limit, millis, place, shown, span, tagOf, worst } from "./format.js";
import { Flood } from "./flood.js";
import { t } from "./i18n.js";

export const COLUMNS = ["grade", "state", "raised", "lasting", "place", "tag", "alarm", "value", "quality", "act"];
const ACTS = ["silence", "ack", "reset"];
const ROW = 36;
const OVERSCAN = 8;
const STUB_MS = 3000;
const FREEZE_MS = 10000;
const SEEN_MS = 300;

export class List {
  constructor(state, on) {
    this.state = state; // {alarms: Map, hello, now()}
    this.on = on; // {act(action, item), open(item)}
    this.order = [];
    this.bandIds = [];
    this.selected = null;
    this.hidden = new Set();
    this.text = "";
    this.gone = new Map();
    this.reopened = new Set();
    this.versions = new Map();
    this.pointerAt = -Infinity;
    this.added = 0;
    this.scheduled = false;
    this.dirty = true;
    this.box = document.getElementById("listbox");
    this.body = document.querySelector("#list tbody");
    this.flood = new Flood(() => this.change());
    this.band = document.querySelector("#band tbody");
    this.listen();
  }

  listen() {
    this.box.addEventListener("scroll", () => this.schedule(), { passive: true });
    addEventListener("resize", () => this.schedule());
    this.box.addEventListener("pointermove", () => { this.pointerAt = performance.now(); }, { passive: true });
    this.box.addEventListener("pointerleave", () => { this.pointerAt = -Infinity; this.change(); });
    document.getElementById("alarms").addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-alarm]");
      if (row && this.flood.toggle(row.dataset.alarm)) {
        this.pointerAt = -Infinity;
        this.change();
        return this.select(row.dataset.alarm);
      }
      const item = row && this.state.alarms.get(row.dataset.alarm);
      if (!item) return;
      this.select(item.id);
      const act = event.target.closest("button")?.dataset.act;
      if (act) this.on.act(act, item);
      else this.on.open(item);
    });
    document.getElementById("fresh").addEventListener("click", () => {
      this.pointerAt = -Infinity;
      this.change();
    });
  }

  change() {
    this.dirty = true;
    this.schedule();
  }

  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.render();
    });
  }

  removed(item) {
    this.gone.set(item.id, { item, until: performance.now() + STUB_MS });
    setTimeout(() => this.change(), STUB_MS + 50);
  }

  // What a person saw: a version that appeared a moment ago was not looked at yet.
  seenVersion(item) {
    const known = this.versions.get(item.id);
    if (!known || known.occurrence !== item.occurrence || known.version !== item.version) return item.version;
    return performance.now() - known.since < SEEN_MS && known.before ? known.before : item.version;
  }

  noteVersion(item) {
    const known = this.versions.get(item.id);
    if (known?.occurrence === item.occurrence && known.version === item.version) return;
    // Only what calls again (a rise, a raise anew) must have been looked at before it is answered.
    const calls = item.core === "unack_active" && !item.mask && known?.occurrence === item.occurrence;
    const before = calls ? known.version : null;
    this.versions.set(item.id, { occurrence: item.occurrence, version: item.version, since: performance.now(), before });
  }

  get ids() {
    return [...this.bandIds, ...this.order];
  }

  select(id) {
    this.selected = id;
    this.schedule();
  }

  move(step) {
    const ids = this.ids;
    if (!ids.length) return;
    const at = ids.indexOf(this.selected);
    this.selected = ids[Math.min(ids.length - 1, Math.max(0, at + step))];
    const index = this.order.indexOf(this.selected);
    if (index >= 0) {
      const top = index * ROW;
      if (top < this.box.scrollTop) this.box.scrollTop = top;
      const bottom = top + 2 * ROW - this.box.clientHeight;
      if (bottom > this.box.scrollTop) this.box.scrollTop = bottom;
    }
    this.schedule();
  }

  passes(item) {
    if (this.hidden.has(item.grade)) return false;
    if (!this.text) return true;
    const words = `${item.tag} ${item.id} ${place(item, this.state.hello)} ${alarmName(item)}`.toLowerCase();
    return words.includes(this.text);
  }

  sort() {
    this.dirty = false;
    const now = performance.now();
    for (const [id, stub] of this.gone) if (stub.until <= now || this.state.alarms.has(id)) this.gone.delete(id);
    const all = [...this.state.alarms.values()].sort(before);
    const most = innerHeight >= 1000 ? 5 : 3;
    const red = all.filter((item) => item.grade === "red");
    this.bandIds = red.slice(0, most).map((item) => item.id);
    const banded = new Set(this.bandIds);
    const frozen = now - this.pointerAt < FREEZE_MS;
    const passing = all.filter((item) => !banded.has(item.id) && this.passes(item));
    const rest = this.flood.fold(passing, frozen ? this.order : []);
    this.filtered = all.length - banded.size - passing.length;
    this.total = all.length;
    this.redMore = red.length - this.bandIds.length;
    if (frozen) {
      const present = new Set(rest);
      const kept = this.order.filter((id) => present.has(id) || (this.gone.has(id) && !banded.has(id)));
      const old = new Set(kept);
      const fresh = rest.filter((id) => !old.has(id));
      this.added += fresh.filter((id) => !this.order.includes(id)).length;
      this.order = [...kept, ...fresh];
    } else {
      this.added = 0;
      this.order = rest;
    }
  }

  render() {
    if (this.dirty || (this.added && performance.now() - this.pointerAt >= FREEZE_MS)) this.sort();
    this.flood.draw(this.state.alarms);
    fill(this.band, this.bandIds, this, 0);
    const note = document.getElementById("bandnote");
    note.textContent = this.redMore > 0 ? t("band.more", { n: this.redMore }) : this.bandIds.length ? "" : t("band.none");
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - OVERSCAN);
    const count = Math.ceil(this.box.clientHeight / ROW) + 2 * OVERSCAN;
    const view = this.order.slice(first, first + count);
    fill(this.body, view, this, first, this.order.length - first - view.length);
    document.getElementById("list").setAttribute("aria-rowcount", String(this.order.length + 1));
    const quiet = document.getElementById("quiet");
    quiet.hidden = this.order.length > 0;
    quiet.textContent = this.total ? t(this.filtered ? "list.filtered" : "list.none.else") : t("list.none");
    const fresh = document.getElementById("fresh");
    fresh.hidden = this.added === 0;
    fresh.textContent = t("list.fresh", { n: this.added });
    const open = [...this.state.alarms.values()].filter((item) => UNACKED.has(item.core)).length;
    document.getElementById("listcount").textContent =
      t("list.count", { n: this.total, open }) + (this.filtered ? ` · ${t("list.hidden", { n: this.filtered })}` : "");
  }
}

function before(a, b) {
  const open = UNACKED.has(b.core) - UNACKED.has(a.core);
  if (open) return open;
  const grade = URGENCY[b.grade] - URGENCY[a.grade];
  if (grade) return grade;
  if (a.raised !== b.raised) return BigInt(a.raised) < BigInt(b.raised) ? 1 : -1;
  return a.id < b.id ? -1 : 1;
}

function fill(body, ids, list, first, below = 0) {
  const rows = [...body.querySelectorAll("tr.row")];
  const byId = new Map(rows.map((row) => [row.dataset.alarm, row]));
  for (const row of rows) if (!ids.includes(row.dataset.alarm)) row.remove();
  let cursor = spacer(body, "above", first * ROW, body.firstElementChild);
  ids.forEach((id, n) => {
    const row = byId.get(id) ?? create(id);
    const next = cursor ? cursor.nextElementSibling : body.firstElementChild;
    if (next !== row) body.insertBefore(row, next);
    cursor = row;
    const item = list.state.alarms.get(id);
    if (list.flood.rows.has(id)) list.flood.patch(row, id, list);
    else patch(row, item ?? list.gone.get(id)?.item, list, !item);
    row.setAttribute("aria-rowindex", String(first + n + 2));
  });
  if (body.parentElement.id === "list") spacer(body, "below", below * ROW, null);
}

function spacer(body, name, height, before) {
  if (body.parentElement.id !== "list") return null;
  let row = body.querySelector(`tr.${name}`);
  if (!row) {
    row = document.createElement("tr");
    row.className = name;
    row.setAttribute("aria-hidden", "true");
    body.insertBefore(row, before);
  }
  if (name === "below" && row.nextElementSibling) body.append(row);
  row.style.height = `${height}px`;
  return row;
}

function create(id) {
  const row = document.createElement("tr");
  row.className = "row";
  row.dataset.alarm = id;
  for (const column of COLUMNS) {
    const cell = row.insertCell();
    cell.className = `c-${column}`;
    if (column === "grade") cell.append(document.createElement("span"));
    if (column === "act")
      for (const act of ACTS) {
        const button = document.createElement("button");
        button.type = "button";
        button.dataset.act = act;
        cell.append(button);
      }
  }
  return row;
}

function patch(row, item, list, gone) {
  if (!item) return;
  if (!gone) list.noteVersion(item);
  const state = gone ? "normal" : item.state;
  const unacked = !gone && UNACKED.has(item.core);
  row.classList.toggle("unacked", unacked);
  row.classList.toggle("gone", gone);
  row.classList.toggle("selected", list.selected === item.id);
  row.classList.toggle("reopened", list.reopened.has(item.id));
  Object.assign(row.dataset, { grade: item.grade, state, version: item.version, occurrence: item.occurrence, quality: item.quality });
  const cells = row.cells;
  const badge = cells[0].firstElementChild;
  badge.className = `badge ${item.grade}`;
  text(badge, `${SHAPES[item.grade]} ${t(`grade.${item.grade}`)} ${ROMAN[item.grade]}`);
  text(cells[1], t(`state.${state}`));
  text(cells[2], clock(millis(item.raised)));
  text(cells[3], span(list.state.now() - millis(item.raised)));
  text(cells[4], place(item, list.state.hello), true);
  text(cells[5], tagOf(item, list.state.hello), true);
  text(cells[6], alarmName(item), true);
  const read = item.cause?.voters ? worst(item, list.state.alarms) : item;
  text(cells[7], `${shown(read)}${limit(read)} ${read.unit ?? ""}`.trim());
  text(cells[8], judged(read));
  buttons(cells[9], item, list, unacked, gone);
}

function buttons(cell, item, list, unacked, gone) {
  const may = list.state.hello?.actions ?? [];
  const open = {
    silence: unacked,
    ack: unacked,
    reset: item.core === "latched_ack" || item.core === "latched_unack" || item.core === "ack_active",
  };
  for (const button of cell.children) {
    const act = button.dataset.act;
    const asks = act === "reset" && list.state.asking === item.id;
    text(button, asks ? t("act.reset.again") : t(`act.${act}`));
    button.classList.toggle("asks", asks);
    const off = gone || !open[act] || !may.includes(act);
    if (button.disabled !== off) button.disabled = off;
    const title = t(`act.${act}.title`);
    if (button.title !== title) button.title = title;
  }
}

function text(node, value, title = false) {
  if (node.textContent !== value) node.textContent = value;
  if (title && node.title !== value) node.title = value;
}
