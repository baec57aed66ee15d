// The panel beside the list: why this alarm, its set points with their clauses, and its trend.
import { GRADES, SHAPES, alarmName, clock, judged, millis, number, place, pointOf, shown, span, tagOf, timezone } from "./format.js";
import { current, t } from "./i18n.js";
import { disposal } from "./dispose.js";
import { masks } from "./masks.js";

const SPANS = { m5: 300, h1: 3600, h8: 28800, d7: 604800 };
const LIVE_MAX = 4000;
let library = null;

function uplot() {
  library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/static/vendor/uPlot.iife.min.js";
    script.onload = () => resolve(globalThis.uPlot);
    script.onerror = reject;
    document.head.append(script);
  });
  return library;
}

const path = (id) => id.split("/").map(encodeURIComponent).join("/");

function make(tag, className, words) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (words !== undefined) node.textContent = words;
  return node;
}

export class Detail {
  constructor(state, on) {
    this.state = state;
    this.on = on; // {points(), act(action, item, fields)}
    this.root = document.getElementById("detail");
    this.item = null;
    this.point = null;
    this.span = "m5";
    this.data = null;
    this.asked = 0;
    addEventListener("resize", () => this.size());
  }

  async open(item) {
    this.item = item;
    const voters = item.cause?.voters ?? [];
    this.point = voters[0]?.point ?? (item.id.split("/").length === 3 ? pointOf(item) : null);
    this.root.hidden = false;
    document.body.classList.add("detailed");
    this.on.points();
    await this.draw();
  }

  close() {
    this.root.hidden = true;
    document.body.classList.remove("detailed");
    this.asked++; // answers still under way belong to nothing now
    this.chart?.destroy();
    this.chart = this.item = this.point = this.data = null;
    this.on.points();
  }

  async draw() {
    if (!this.item) return;
    const asked = ++this.asked;
    const item = this.state.alarms.get(this.item.id) ?? this.item;
    this.root.replaceChildren();
    const close = make("button", "close", "✕");
    close.type = "button";
    close.title = t("detail.close");
    close.onclick = () => this.close();
    const head = make("h2", "", `${tagOf(item, this.state.hello)} ${alarmName(item)}`);
    const badge = make("span", `badge ${item.grade}`, `${SHAPES[item.grade]} ${t(`grade.${item.grade}`)}`);
    this.root.append(close, head, badge, make("p", "muted", `${place(item, this.state.hello)} · ${item.id}`));
    this.value = make("p", "value");
    this.why = make("dl", "why");
    this.holder = make("div", "chart");
    this.note = make("p", "muted");
    const hidden = masks(item, this.state, this.on.act);
    const about = this.on.disposition(this.item.occurrence === item.occurrence ? item : this.item);
    this.root.append(this.value, this.why, disposal(about, this.state, this.on.act), hidden, this.picker(), this.holder, this.note);
    this.refresh();
    await this.explain(item.id, asked);
    if (this.point && asked === this.asked) await this.trend(asked);
  }

  refresh() {
    if (!this.item || !this.value) return;
    const item = this.state.alarms.get(this.item.id) ?? this.item;
    const quality = judged(item);
    this.value.textContent = `${shown(item)} ${item.unit ?? ""} ${quality ? `(${quality})` : ""} · ${t(`state.${item.state}`)} · ${clock(millis(item.raised))} (${span(this.state.now() - millis(item.raised))})`;
  }

  picker() {
    const box = make("div", "spans");
    for (const name of Object.keys(SPANS)) {
      const button = make("button", name === this.span ? "on" : "", t(`span.${name}`));
      button.type = "button";
      button.onclick = () => {
        this.span = name;
        this.draw();
      };
      box.append(button);
    }
    box.hidden = !this.point;
    return box;
  }

  async explain(id, asked) {
    const answer = await fetch(`/api/v1/alarms/${path(id)}`).catch(() => null);
    if (!answer?.ok || asked !== this.asked) return;
    const { why } = await answer.json();
    const row = (key, words) => words && this.why.append(make("dt", "", t(key)), make("dd", "", words));
    row("why.because", why.line?.[current()]);
    row("why.text", why.text);
    row("why.clause", why.clause);
    row("why.person", [why.person, why.second].filter(Boolean).join("、"));
    this.limits = why.limits ?? [];
    if (why.voters?.length) this.voters(why);
    for (const limit of why.limits ?? [])
      row("why.limit", `${t(`grade.${limit.grade}`)} ${limit.side === "low" ? "≤" : "≥"} ${number(limit.limit)} ${why.unit ?? ""} ${limit.clause ?? ""}`);
  }

  voters(why) {
    this.why.append(make("dt", "", t("why.voters")));
    const cell = make("dd");
    for (const voter of why.voters) {
      const button = make("button", voter.point === this.point ? "on" : "", `${voter.tag} ${number(voter.value)} ${why.unit ?? ""}`);
      button.type = "button";
      button.onclick = () => {
        this.point = voter.point;
        this.on.points();
        this.draw();
      };
      cell.append(button);
    }
    this.why.append(cell);
  }

  async trend(asked) {
    const end = this.state.now();
    const from = BigInt(Math.floor(end - SPANS[this.span] * 1000)) * 1000000n;
    const to = BigInt(Math.floor(end)) * 1000000n;
    const url = `/api/v1/points/${path(this.point)}/trend?from=${from}&to=${to}&n=600`;
    const answer = await fetch(url).catch(() => null);
    const Plot = await uplot();
    if (asked !== this.asked) return;
    const told = answer?.ok ? await answer.json() : { time: [], value: [], quality: [], tag: this.item.tag, unit: this.item.unit, limits: this.limits };
    if (!answer?.ok) this.note.textContent = t("trend.none");
    this.limits = (told.limits?.length ? told.limits : this.limits ?? []).filter((limit) => GRADES.includes(limit.grade) && limit.group !== "fault");
    const past = told.time.map((ns) => millis(ns) / 1000);
    this.data = [past, told.value];
    this.chart?.destroy();
    this.chart = new Plot(this.options(Plot, told), this.data, this.holder);
    this.holder.dataset.points = String(past.length);
  }

  // Each set point as a dashed level over the whole span, in its grade's colour.
  levels(plot) {
    const { ctx, bbox } = plot;
    const style = getComputedStyle(document.documentElement);
    ctx.save();
    ctx.setLineDash([12, 8]);
    ctx.lineWidth = 3;
    for (const limit of this.limits) {
      const y = plot.valToPos(limit.limit, "y", true);
      ctx.strokeStyle = style.getPropertyValue(`--${limit.grade}`).trim();
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    ctx.restore();
  }

  options(Plot, told) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
    const highest = Math.max(0, ...this.limits.map((limit) => limit.limit));
    return {
      width: this.holder.clientWidth || 380, height: 240,
      tzDate: (s) => Plot.tzDate(new Date(s * 1000), timezone()),
      scales: { x: { time: true, range: () => [this.state.now() / 1000 - SPANS[this.span], this.state.now() / 1000] }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(high ?? 0, highest) * 1.1 || 1] } },
      axes: [{ ...axis, values: (_, marks) => marks.map((s) => (s % 60 || this.span === "m5" ? clock(s * 1000) : clock(s * 1000).slice(0, 5))), space: 70 }, { ...axis, size: 46 }],
      series: [{ label: t("column.raised"), value: (_, s) => (s === null ? "" : clock(s * 1000)) },
        { label: `${told.tag ?? ""} ${told.unit ?? ""}`, stroke: colour("--text"), width: 2, spanGaps: false, points: { show: false }, value: (_, v) => number(v) }],
      hooks: { draw: [(plot) => this.levels(plot)] },
    };
  }

  size() {
    this.chart?.setSize({ width: this.holder.clientWidth || 380, height: 240 });
  }

  // A live value at the end of the curve; a bad one is a gap, not a bridge.
  append(row) {
    if (!this.chart || row[0] !== this.point) return;
    const at = millis(row[4]) / 1000;
    const [times, values] = this.data;
    if (times.length && at <= times[times.length - 1]) return;
    times.push(at);
    values.push(row[2] === "bad" ? null : row[1]);
    const oldest = at - SPANS[this.span];
    while (times.length > LIVE_MAX || times[0] < oldest) {
      times.shift();
      values.shift();
    }
    this.chart.setData(this.data);
    this.holder.dataset.points = String(times.length);
  }
}
