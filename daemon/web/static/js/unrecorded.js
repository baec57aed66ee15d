// What the journal could not take stands apart from the list: it has no sequence, and it says so.
import { SHAPES } from "./format.js";
import { t } from "./i18n.js";

export class Unrecorded {
  constructor(place) {
    this.place = place;
    this.items = new Map();
    this.failing = false;
  }

  // The item that was shown before, if any.
  take(item) {
    const before = this.items.get(item.id);
    this.items.set(item.id, item);
    this.draw();
    return before;
  }

  // A snapshot holds what the journal has now.
  clear() {
    this.items.clear();
    this.draw();
  }

  health(told) {
    this.failing = Boolean(told.unrecorded);
    this.draw();
  }

  draw() {
    const active = [...this.items.values()].filter((item) => item.state !== "normal");
    this.place.hidden = !this.failing && !active.length;
    this.place.replaceChildren(part("b", t("unrecorded.title")), ...active.map((item) => part("span",
      `${SHAPES[item.grade]} ${t(`grade.${item.grade}`)} ${item.tag} ${item.value ?? ""}${item.unit ?? ""} · ${t("unrecorded.mark")}`)));
  }
}

function part(name, text) {
  return Object.assign(document.createElement(name), { textContent: text });
}
