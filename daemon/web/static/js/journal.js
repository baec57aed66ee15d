// The journal's tail in one line a record; asked for only when the health frame says it grew.
import { clock, millis } from "./format.js";
import { known, t } from "./i18n.js";

const KEPT = 200;
const PAUSE_MS = 700;

export class Journal {
  constructor() {
    this.list = document.getElementById("records");
    this.records = [];
    this.last = null;
    this.busy = false;
  }

  async grown(sequence) {
    if (this.busy || (this.last !== null && sequence <= this.last)) return;
    this.busy = true;
    try {
      const query = this.last === null ? "n=60" : `after=${this.last}&n=200`;
      const answer = await fetch(`/api/v1/journal?${query}`);
      if (!answer.ok) return;
      const { items } = await answer.json();
      this.last = items.length ? items[items.length - 1].seq : Math.max(this.last ?? 0, sequence);
      this.records = [...this.records, ...items].slice(-KEPT);
      this.draw(items);
    } catch {
      // The stream's own age says that the link is lost; the tail goes on when it is back.
    } finally {
      setTimeout(() => { this.busy = false; }, PAUSE_MS);
    }
  }

  reset() {
    this.records = [];
    this.last = null;
    this.list.replaceChildren();
  }

  redraw() {
    this.list.replaceChildren();
    this.draw(this.records);
  }

  draw(items) {
    for (const record of items) {
      const row = document.createElement("li");
      row.dataset.seq = record.seq;
      row.dataset.kind = record.kind;
      const parts = [["seq", `#${record.seq}`], ["when", clock(millis(record.time))],
        ["kind", known(`kind.${record.kind}`) ? t(`kind.${record.kind}`) : record.kind], ["what", sentence(record)]];
      for (const [name, words] of parts) {
        const span = document.createElement("span");
        span.className = name;
        span.textContent = words;
        row.append(span);
      }
      this.list.prepend(row);
    }
    while (this.list.children.length > KEPT) this.list.lastElementChild.remove();
  }
}

function sentence({ kind, body }) {
  const word = (family, name) => (known(`${family}.${name}`) ? t(`${family}.${name}`) : name ?? "");
  if (kind === "transition")
    return `${body.alarm} ${word("event", body.event)} → ${word("state", body.to)} ${word("grade", body.grade)}`;
  if (kind === "command")
    return `${body.person} ${word("act", body.action)} ${body.alarm} ${body.result === "ok" ? "✓" : `✗ ${body.result}`}`;
  if (kind === "login") return `${body.person} ${word("login.result", body.result)} ${body.from ?? ""}`;
  if (kind === "driver") return `${body.who} ${body.what} ${body.text ?? ""}`;
  if (kind === "message") return `${body.person ?? ""} ${body.text ?? body.key ?? ""}`;
  if (kind === "delivery") return `${body.key} ${body.state} ${body.result ?? ""}`;
  if (kind === "system") return `${body.alarm ?? ""} ${body.what ?? ""}`;
  return Object.entries(body).map(([key, value]) => `${key}=${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(" ").slice(0, 300);
}
