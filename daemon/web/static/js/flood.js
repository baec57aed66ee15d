// During a flood yellow and blue alarms stand in one row by zone and cause. The server says which
// row an alarm belongs to (`fold`) and whether a flood runs; this page only opens and shuts rows.
import { GRADES, SHAPES, UNACKED, alarmName, clock, millis, place } from "./format.js";
import { t } from "./i18n.js";

const ROW = "fold:";
const put = (node, value) => { if (node.textContent !== value) node.textContent = value; };
const counted = (items, grades) =>
  grades.map((grade) => [grade, items.filter((item) => item.grade === grade).length]).filter(([, n]) => n)
    .map(([grade, n]) => `${SHAPES[grade]}${t(`grade.${grade}`)} ${n}`).join(" ");

export class Flood {
  constructor(changed) {
    this.told = null;
    this.apart = false; // somebody asked to see every row
    this.opened = new Set();
    this.rows = new Map();
    this.box = document.getElementById("flood");
    this.mark = this.box.querySelector("b");
    this.button = this.box.querySelector("button");
    this.button.addEventListener("click", () => { this.apart = !this.apart; changed(); });
  }

  get on() {
    return !!this.told?.on;
  }

  // What the server says of it each second; true where the list has to be ordered anew.
  take(told) {
    const before = this.on;
    this.told = told;
    if (before && !this.on) [this.apart, this.opened] = [false, new Set()];
    return before !== this.on;
  }

  toggle(id) {
    if (!this.rows.has(id)) return false;
    if (!this.opened.delete(id)) this.opened.add(id);
    return true;
  }

  // Ids in the order of the list: alarms that are single on top, then rows with how many they
  // hold. Every alarm is in exactly one place; what is in `kept` is under the pointer and stays.
  fold(items, kept) {
    this.rows = new Map();
    if (!this.on || this.apart) return items.map((item) => item.id);
    const still = new Set(kept);
    for (const item of items) {
      if (!item.fold || still.has(item.id)) continue;
      const id = ROW + item.fold;
      if (this.rows.has(id)) this.rows.get(id).push(item);
      else this.rows.set(id, [item]);
    }
    for (const [id, own] of this.rows) if (own.length === 1) this.rows.delete(id);
    const single = items.filter((item) => !item.fold).map((item) => item.id);
    const lone = items.filter((item) => item.fold && (still.has(item.id) || !this.rows.has(ROW + item.fold)));
    const folded = [...this.rows].flatMap(([id, own]) => [id, ...(this.opened.has(id) ? own.map((item) => item.id) : [])]);
    return [...single, ...lone.map((item) => item.id), ...folded];
  }

  draw(alarms) {
    this.box.hidden = !this.on;
    if (!this.on) return;
    const all = [...alarms.values()];
    const first = all.map((item) => item.cause?.first_out).filter(Boolean).sort((a, b) => a.time - b.time)[0];
    const folded = [...this.rows.values()].flat();
    put(this.mark, [
      t("flood.mark", { since: clock(millis(this.told.since)), n: this.told.count }),
      counted(all, ["red", "orange"]), first ? t("flood.first", { tag: first.tag }) : "",
      folded.length ? `${t("flood.folded")} ${counted(folded, ["yellow", "blue"])}` : "",
    ].filter(Boolean).join(" · "));
    put(this.button, t(this.apart ? "flood.fold" : "flood.unfold"));
  }

  patch(row, id, list) {
    const own = this.rows.get(id);
    const [item] = own;
    const open = own.filter((one) => UNACKED.has(one.core)).length;
    const worst = GRADES.find((grade) => own.some((one) => one.grade === grade));
    row.classList.add("fold");
    row.classList.toggle("unacked", open > 0);
    row.classList.toggle("selected", list.selected === id);
    row.setAttribute("aria-expanded", String(this.opened.has(id)));
    Object.assign(row.dataset, { grade: worst, state: "fold", n: own.length });
    const badge = row.cells[0].firstElementChild;
    badge.className = `badge ${worst}`;
    put(badge, `${this.opened.has(id) ? "▾" : "▸"} ${own.length}`);
    put(row.cells[1], t("flood.open", { n: open }));
    put(row.cells[2], clock(Math.max(...own.map((one) => millis(one.raised)))));
    put(row.cells[4], place(item, list.state.hello));
    put(row.cells[6], alarmName(item));
    put(row.cells[7], counted(own, GRADES));
  }
}
