// Numbers, times and words as rows show them. A value is never drawn without its quality.
import { known, t } from "./i18n.js";

export const GRADES = ["red", "orange", "yellow", "blue"];
export const SHAPES = { red: "◆", orange: "▲", yellow: "■", blue: "●" };
export const ROMAN = { red: "I", orange: "II", yellow: "III", blue: "IV" };
export const URGENCY = { red: 4, orange: 3, yellow: 2, blue: 1 };
export const UNACKED = new Set(["unack_active", "rtn_unack", "latched_unack"]);

// Nanoseconds travel as decimal strings: beyond 2^53 a number would be another moment.
export const millis = (ns) => Number(BigInt(ns) / 1000000n);

export function number(value) {
  if (value === null || value === undefined) return "--";
  const size = Math.abs(value);
  return String(Number(value.toFixed(size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3)));
}

// The quality in a word; good of a detector that no bump test proved is "unverified".
export const judged = (item) => (!item.quality ? "" : item.reason === "unverified" ? t("reason.unverified") : t(`quality.${item.quality}`));

export const shown = (item) => (item.quality === "bad" || item.value === null ? "--" : number(item.value));

// A vote has no value of its own: it shows its worst voter, by that detector's own live alarm.
const OXYGEN_NORMAL = 20.9;
export function worst(item, alarms) {
  const size = (one) => (item.cause.gas === "O2" ? Math.abs(one.value - OXYGEN_NORMAL) : one.value);
  const points = new Set((item.cause?.voters ?? []).map((voter) => voter.point));
  const seen = [...alarms.values()].filter((one) => points.has(pointOf(one)) && one.quality !== "bad" && one.value !== null);
  return seen.reduce((most, one) => (!most || size(one) > size(most) ? one : most), null) ?? item;
}

export function limit(item) {
  if (item.limit === null || item.limit === undefined) return "";
  return ` / ${item.cause?.side === "low" ? "≤" : "≥"}${number(item.limit)}`;
}

let clockZone = "Asia/Shanghai";
let clockFormat = null;
export function zone(name) {
  clockZone = name || clockZone;
  clockFormat = new Intl.DateTimeFormat("en-GB", {
    timeZone: clockZone, hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false,
  });
}
export const timezone = () => clockZone;
export function clock(ms) {
  if (!clockFormat) zone(clockZone);
  return clockFormat.format(ms);
}

export function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(s / 3600);
  const rest = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}

export const pointOf = (item) => item.cause?.point ?? item.id.slice(0, item.id.lastIndexOf(":"));

export function alarmName(item) {
  const group = item.id.slice(item.id.lastIndexOf(":") + 1);
  const [kind, ...rest] = group.split("-");
  const values = { gas: rest.join("-").toUpperCase(), n: item.cause?.voters?.length ?? "" };
  const voters = (item.cause?.voters ?? []).map((voter) => voter.tag).join(" ");
  if (rest.length && known(`group.${kind}`)) return `${t(`group.${kind}`, values)} ${voters}`.trim();
  if (!known(`group.${group}`)) return item.cause?.text || group;
  const level = item.cause?.level === 2 ? t("level.2") : "";
  const reason = group === "fault" && item.cause?.reason ? ` ${t(`reason.${item.cause.reason}`)}` : "";
  return t(`group.${group}`) + level + reason;
}

export function place(item, hello) {
  if (item.id.startsWith("system/")) return t("place.system");
  const enterprise = hello?.enterprises[item.enterprise] ?? item.enterprise ?? "";
  const area = hello?.zones[item.zone] ?? (item.zone || "").split("/").pop();
  return [enterprise, area].filter(Boolean).join(" / ");
}

// An alarm of a whole zone goes by the zone's name.
export const tagOf = (item, hello) => (item.id.split("/").length === 2 && hello?.zones[item.id.slice(0, item.id.lastIndexOf(":"))]) || item.tag;
