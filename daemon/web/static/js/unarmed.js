// Points that are not in service: never shown as normal, and one beyond a limit is always on screen.
// Nobody is called for it, so nothing may fold it away.
import { number, place, tagOf } from "./format.js";
import { t } from "./i18n.js";

export class Unarmed {
  constructor(root, state) {
    this.root = root;
    this.state = state; // {hello}
    this.told = null;
  }

  take(told) {
    this.told = told;
    this.draw();
  }

  draw() {
    const { n = 0, beyond = 0, items = [] } = this.told ?? {};
    this.root.hidden = n === 0;
    const count = part("b", t(beyond ? "unarmed.beyond.count" : "unarmed.count", { n, beyond }));
    this.root.replaceChildren(count, ...items.map((item) => this.row(item)));
    if (beyond > items.length) this.root.append(part("span", t("unarmed.more", { n: beyond - items.length })));
  }

  row(item) {
    const { over } = item;
    const limit = `${over.side === "low" ? "≤" : "≥"}${number(over.limit)}`;
    const row = part("span", "");
    row.className = "beyond";
    row.dataset.point = item.id;
    const words = [place(item, this.state.hello), tagOf(item, this.state.hello), `${number(item.value)} / ${limit} ${item.unit}`];
    row.append(part("b", t("unarmed.beyond")), ` ${words.join(" ")}`);
    return row;
  }
}

function part(name, text) {
  return Object.assign(document.createElement(name), { textContent: text });
}
