// The console: the server decides, this page shows. What cannot prove that it is live says so.
import { Detail } from "./js/detail.js";
import { Undisposed } from "./js/dispose.js";
import { GRADES, SHAPES, UNACKED, URGENCY, clock, millis, pointOf, zone } from "./js/format.js";
import { apply, current, known, t, use } from "./js/i18n.js";
import { Journal } from "./js/journal.js";
import { COLUMNS, List } from "./js/list.js";
import * as sound from "./js/sound.js";
import { Stream } from "./js/stream.js";
import { Unarmed } from "./js/unarmed.js";
import { Unrecorded } from "./js/unrecorded.js";

const LATE_S = 3;
const LOST_S = 10;
const TOAST_MS = 15000;
const ASK_MS = 4000;
const SUBSCRIBE_MS = 150;
const $ = (id) => document.getElementById(id);

const state = {
  alarms: new Map(), hello: null, health: null, health_at: 0, asking: null, live: "none", raised_at: 0,
  // The server's clock; it stands still when the server does.
  now() {
    if (!this.health) return Date.now();
    return millis(this.health.time) + Math.min(performance.now() - this.health_at, 1500);
  },
};
const stream = new Stream({ frame, refused: showLogin });
const journal = new Journal();
const apart = new Unrecorded($("unrecorded"));
const idle = new Unarmed($("unarmed"), state);
const detail = new Detail(state, { points: () => subscribe(), act: (action, item, fields) => act(action, item, fields), disposition: (item) => undisposed.of(item) });
const undisposed = new Undisposed(state, { open: (item) => detail.open(item) });
const list = new List(state, { act, open: (item) => detail.open(item) });
let byPoint = new Map();
let subscribed = "";
let subscribing = 0;

// Frames ------------------------------------------------------------------------------------

function frame(told) {
  const take = { hello, snapshot, transition, unrecorded, values, health, gap() {} }[told.type];
  if (take) take(told);
}

function hello(told) {
  state.hello = told;
  zone(told.park.tz);
  document.title = `${told.park.name} · ParkWatch`;
  $("park").textContent = told.park.name;
  $("person").textContent = `${told.name} · ${t(`role.${told.roles[0]}`)}`;
  subscribed = "";
}

function snapshot(told) {
  const before = state.alarms;
  state.alarms = new Map(told.items.map((item) => [item.id, item]));
  apart.clear();
  if (state.seen && (state.live === "lost" || state.live === "late")) {
    const changed = told.items.filter((item) => before.get(item.id)?.version !== item.version);
    const ended = [...before.keys()].filter((id) => !state.alarms.has(id));
    if (changed.length + ended.length)
      toast(t("link.missed", { n: changed.length + ended.length, tags: changed.slice(0, 5).map((i) => i.tag).join(" ") }), "note");
  }
  state.seen = true;
  for (const item of told.items) if (UNACKED.has(item.core) && isNew(before.get(item.id), item)) announce(item);
  changed();
}

function unrecorded({ item }) {
  const before = apart.take(item) ?? state.alarms.get(item.id);
  if (item.core === "unack_active" && isNew(before, item)) announce(item);
}

function transition(item) {
  const before = state.alarms.get(item.id);
  if (item.state === "normal") {
    state.alarms.delete(item.id);
    if (before) list.removed({ ...before, ...item });
  } else {
    state.alarms.set(item.id, item);
    if (item.core === "unack_active" && !item.mask && isNew(before, item)) announce(item);
  }
  list.reopened.delete(item.id);
  changed();
  if (detail.item?.id === item.id) detail.draw();
}

function isNew(before, item) {
  if (!before || before.occurrence !== item.occurrence || !UNACKED.has(before.core)) return true;
  const level = (one) => one.cause?.level ?? 0;
  return URGENCY[item.grade] > URGENCY[before.grade] || level(item) > level(before) ||
    (item.core === "unack_active" && before.core !== "unack_active");
}

function announce(item) {
  state.raised_at = Date.now();
  sound.announce(item);
  if (item.grade === "red") $("redvoice").textContent = `${t("grade.red")} ${item.tag}`;
}

function values(told) {
  for (const row of told.points) {
    for (const id of byPoint.get(row[0]) ?? []) {
      const item = state.alarms.get(id);
      if (item) [item.value, item.quality, item.reason, item.time] = [row[1], row[2], row[3], row[4]];
    }
    detail.append(row);
  }
  list.schedule();
  detail.refresh();
}

function health(told) {
  state.health = told;
  state.health_at = performance.now();
  apart.health(told);
  idle.take(told.unarmed);
  if (list.flood.take(told.flood)) list.change();
  if (state.hello?.actions.includes("journal")) journal.grown(told.journal_sequence);
  undisposed.grown(told.journal_sequence);
  tick();
}

function changed() {
  list.change();
  byPoint = new Map();
  for (const item of state.alarms.values()) {
    const point = pointOf(item);
    if (byPoint.has(point)) byPoint.get(point).push(item.id);
    else byPoint.set(point, [item.id]);
  }
  subscribeSoon();
  counts();
  tick();
}

function subscribeSoon() {
  if (subscribing) return;
  subscribing = setTimeout(() => {
    subscribing = 0;
    subscribe();
  }, SUBSCRIBE_MS);
}

function subscribe() {
  const points = [...byPoint.keys(), detail.point].filter((id) => id && id.split("/").length === 3).sort();
  const now = points.join("|");
  if (now === subscribed || stream.sequence === null) return;
  subscribed = now;
  stream.subscribe(points);
}

// The top bar, the link's age and the sound ------------------------------------------------------

function counts() {
  const box = $("counts");
  box.replaceChildren();
  for (const grade of GRADES) {
    const n = [...state.alarms.values()].filter((item) => item.grade === grade).length;
    const badge = document.createElement("span");
    badge.className = `badge ${grade}${n ? "" : " zero"}`;
    badge.dataset.grade = grade;
    badge.textContent = `${SHAPES[grade]} ${n}`;
    badge.title = t(`grade.${grade}`);
    box.append(badge);
  }
}

function tick() {
  const inside = !$("console").hidden;
  const age = stream.age;
  state.live = !inside ? "none" : age > LOST_S ? "lost" : age > LATE_S ? "late" : "ok";
  document.body.dataset.live = state.live;
  $("curtain").hidden = state.live !== "lost";
  if (state.live === "lost") {
    $("curtaintext").textContent = t("link.lost");
    $("curtainage").textContent = Number.isFinite(age) ? t("link.since", { s: Math.floor(age) }) : "";
  }
  $("age").textContent = inside && Number.isFinite(age) ? `⟳ ${age.toFixed(1)} s` : "";
  $("clock").textContent = inside && state.health ? clock(millis(state.health.time)) : "";
  const devices = state.health?.devices ?? [];
  const up = devices.filter((device) => device.state === "up").length;
  $("devices").textContent = inside && state.health ? t("top.devices", { up, n: devices.length }) : "";
  $("devices").className = up < devices.length ? "warn" : "";
  hear(inside);
}

function hear(inside) {
  sound.update(inside ? state.alarms.values() : [], state.live === "lost", state.raised_at);
  const on = sound.running();
  $("strip").hidden = !inside || on;
  const left = Math.ceil(sound.silencedFor() / 1000);
  $("soundstate").textContent = !inside ? "" : !on ? `✕ ${t("sound.off")}` : left ? `‖ ${t("sound.silenced", { s: left })}` : `♪ ${t("sound.on")}`;
}

// Commands ------------------------------------------------------------------------------------------

async function act(action, item, more = {}) {
  if (state.live === "lost" || state.live === "late") return toast(t("command.lost"), "bad");
  if (action === "reset" && item.grade === "red" && state.asking !== item.id) {
    state.asking = item.id;
    setTimeout(() => { state.asking = null; list.schedule(); }, ASK_MS);
    return list.schedule();
  }
  state.asking = null;
  const seconds = action === "silence" ? (URGENCY[item.grade] >= 3 ? 120 : 600) : undefined;
  const command = uuid();
  const answer = await stream.command({
    command, action, alarm: item.id, occurrence: item.occurrence, version: list.seenVersion(item), seconds, ...more,
  });
  if (answer.ok) {
    if (answer.item?.requested) toast(t("mask.requested"));
    if (action === "silence") sound.silence(seconds);
    if (action === "dispose") undisposed.look().then(() => detail.draw());
    return tick();
  }
  return refused(action, item, answer);
}

function refused(action, item, answer) {
  if (answer.code === "LOST") return toast(t("command.lost"), "bad");
  const now = answer.item ?? state.alarms.get(item.id) ?? item;
  const words = { act: t(`act.${action}`), tag: item.tag, grade: t(`grade.${now.grade ?? item.grade}`), state: t(`state.${now.state}`),
    value: now.value ?? "--", unit: now.unit ?? "", limit: now.limit ?? "" };
  const told = known(`code.${answer.code}`) ? t(`code.${answer.code}`, words) : `${answer.what} → ${answer.remedy}`;
  toast(`${t("command.refused", words)}: ${told} (${answer.code})`, "bad");
  if (answer.status === 409) {
    list.reopened.add(item.id);
    list.select(item.id);
    detail.open(state.alarms.get(item.id) ?? item);
  }
  return list.schedule();
}

function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  // Not offered on plain HTTP from another machine.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function toast(words, kind) {
  const note = document.createElement("p");
  note.className = kind;
  note.textContent = words;
  note.onclick = () => note.remove();
  $("toasts").append(note);
  while ($("toasts").children.length > 4) $("toasts").firstElementChild.remove();
  setTimeout(() => note.remove(), TOAST_MS);
}

// Keys ---------------------------------------------------------------------------------------------

function key(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || $("console").hidden) return;
  if (event.key === "Escape") {
    if (!detail.root.hidden) detail.close();
    $("search").blur();
    return;
  }
  if (event.target.closest("input, textarea, select")) return;
  const pressed = event.key.toLowerCase();
  sound.seen();
  if ("1234".includes(pressed)) return toggleGrade(GRADES[Number(pressed) - 1]);
  if (pressed === "/") {
    event.preventDefault();
    return $("search").focus();
  }
  if (pressed === "j" || pressed === "arrowdown") return void (event.preventDefault(), list.move(1));
  if (pressed === "k" || pressed === "arrowup") return void (event.preventDefault(), list.move(-1));
  if (pressed === "enter" && list.flood.toggle(list.selected)) return list.change();
  const action = { m: "silence", a: "ack", r: "reset" }[pressed];
  if (action === "silence") return keyAct(action, loudest());
  const item = state.alarms.get(list.selected);
  if (action && !item) {
    // Nothing was chosen, so nothing was looked at: the first press only chooses.
    list.move(1);
    return toast(t("keys.chosen"), "note");
  }
  if (action) return keyAct(action, item);
  if (pressed === "enter" && item && event.target.tagName !== "BUTTON") return detail.open(item);
}

function keyAct(action, item) {
  if (item && state.hello?.actions.includes(action)) return act(action, item);
}

function loudest() {
  const open = [...state.alarms.values()].filter((item) => UNACKED.has(item.core));
  return open.sort((a, b) => URGENCY[b.grade] - URGENCY[a.grade])[0];
}

function toggleGrade(grade) {
  if (!list.hidden.delete(grade)) list.hidden.add(grade);
  drawGrades();
  list.change();
}

function drawGrades() {
  $("grades").replaceChildren(...GRADES.map((grade) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `${SHAPES[grade]} ${t(`grade.${grade}`)}`;
    button.setAttribute("aria-pressed", String(!list.hidden.has(grade)));
    button.onclick = () => toggleGrade(grade);
    return button;
  }));
}

// In and out ------------------------------------------------------------------------------------

function showLogin() {
  stream.stop();
  sound.update([], false, 0);
  for (const id of ["console", "logout", "strip", "curtain", "unrecorded"]) $(id).hidden = true;
  detail.close();
  undisposed.clear();
  idle.take(null);
  state.alarms = new Map();
  for (const id of ["counts", "person", "soundstate"]) $(id).replaceChildren();
  $("login").hidden = false;
  $("login").elements.person.focus();
  tick();
}

function showConsole() {
  $("login").hidden = true;
  $("loginfault").textContent = "";
  $("console").hidden = false;
  $("logout").hidden = false;
  journal.reset();
  stream.start();
  tick();
}

async function login(event) {
  event.preventDefault();
  // In the click itself: a browser lets a page sound only from there.
  const unlocked = sound.unlock();
  const form = $("login").elements;
  const body = JSON.stringify({ person: form.person.value.trim(), password: form.password.value });
  try {
    const answer = await fetch("/api/v1/login", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    await unlocked;
    if (answer.ok) {
      form.password.value = "";
      return showConsole();
    }
    const told = await answer.json();
    const code = `code.${told.code}`;
    $("loginfault").textContent = known(code) ? t(code) : `${told.what} → ${told.remedy}`;
  } catch {
    $("loginfault").textContent = t("login.unreachable");
  }
  return undefined;
}

async function speak(name) {
  await use(name);
  apply(document);
  $("language").textContent = current() === "zh" ? "EN" : "中文";
  $("columns").replaceChildren(...COLUMNS.map((column) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.className = `c-${column}`;
    cell.textContent = t(`column.${column}`);
    return cell;
  }));
  drawGrades();
  if (state.hello) $("person").textContent = `${state.hello.name} · ${t(`role.${state.hello.roles[0]}`)}`;
  counts();
  journal.redraw();
  idle.draw();
  list.change();
  detail.draw();
  tick();
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  localStorage.setItem("theme", name);
  detail.draw();
}

async function start() {
  document.documentElement.dataset.theme = localStorage.getItem("theme") === "dark" ? "dark" : "light";
  await speak(current());
  $("login").addEventListener("submit", login);
  $("unmute").addEventListener("click", () => sound.unlock().then(tick));
  $("undisposed").addEventListener("toggle", () => undisposed.draw());
  $("logout").addEventListener("click", () => fetch("/api/v1/logout", { method: "POST" }).finally(showLogin));
  $("language").addEventListener("click", () => speak(current() === "zh" ? "en" : "zh"));
  $("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  $("search").addEventListener("input", (event) => { list.text = event.target.value.trim().toLowerCase(); list.change(); });
  $("fold").addEventListener("click", () => {
    const folded = document.body.classList.toggle("folded");
    $("fold").setAttribute("aria-expanded", String(!folded));
    $("fold").textContent = folded ? "▴" : "▾";
    list.schedule();
  });
  addEventListener("keydown", key);
  addEventListener("pointerdown", () => sound.seen());
  setInterval(() => { tick(); list.schedule(); }, 500);
  const answer = await fetch("/api/v1/health").catch(() => null);
  if (answer?.status === 401) return showLogin();
  sound.look();
  return showConsole();
}

start();
