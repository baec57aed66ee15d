// Sound by grade (WebAudio, no files). A looped buffer plays on by itself: no timer that a hidden
// tab would slow down. The highest unacknowledged grade alone is heard; losing the link drowns all.
import { URGENCY, UNACKED } from "./format.js";

const PATTERNS = {
  red: { period: 0.5, loop: true, tones: [[0, 0.25, 800], [0.25, 0.25, 1000]] },
  orange: { period: 3, loop: true, tones: [[0, 0.15, 900], [0.3, 0.15, 900], [0.6, 0.15, 900]] },
  yellow: { period: 15, loop: true, tones: [[0, 0.1, 700], [0.2, 0.1, 700]] },
  blue: { period: 0.6, loop: false, tones: [[0, 0.5, 500]] },
  lost: { period: 5, loop: true, tones: [[0, 1, 300]] },
  check: { period: 0.8, loop: false, tones: [[0, 0.12, 1000], [0.2, 0.12, 900], [0.4, 0.12, 700], [0.6, 0.12, 500]] },
};
const YELLOW_MS = 600000;
const LEVEL = 0.5;

let context = null;
let source = null;
let playing = "none";
let silencedUntil = 0;
let seenAt = 0;
let loudest = null;

export const silencedFor = () => Math.max(0, silencedUntil - Date.now());
export const running = () => context?.state === "running";

export async function unlock() {
  if (!context) {
    context = new AudioContext();
    context.onstatechange = tell;
  }
  await context.resume();
  tell();
  if (running() && playing === "none") once("check");
  if (loudest !== null) restart();
}

// Sound that a reload left locked: state is told truly, so that the strip can ask for a click.
export function look() {
  if (!context) {
    context = new AudioContext();
    context.onstatechange = tell;
  }
  tell();
}

function tell() {
  document.body.dataset.audio = context ? context.state : "none";
}

function buffer(name) {
  const { period, tones } = PATTERNS[name];
  const rate = context.sampleRate;
  const made = context.createBuffer(1, Math.ceil(period * rate), rate);
  const data = made.getChannelData(0);
  for (const [start, length, hertz] of tones) {
    const from = Math.floor(start * rate);
    const count = Math.floor(length * rate);
    const ramp = 0.005 * rate;
    for (let i = 0; i < count && from + i < data.length; i++) {
      const edge = Math.min(1, i / ramp, (count - i) / ramp);
      data[from + i] = LEVEL * edge * Math.sin((2 * Math.PI * hertz * i) / rate);
    }
  }
  return made;
}

function once(name) {
  if (!context) return null;
  const node = context.createBufferSource();
  node.buffer = buffer(name);
  node.loop = PATTERNS[name].loop;
  node.connect(context.destination);
  node.start();
  return node;
}

function stop() {
  if (source) {
    source.stop();
    source.disconnect();
    source = null;
  }
}

function restart() {
  const name = playing;
  playing = "none";
  play(name);
}

function play(name) {
  if (playing === name) return;
  stop();
  playing = name;
  document.body.dataset.sound = name;
  if (name !== "none" && running()) source = once(name);
}

export function silence(seconds) {
  silencedUntil = Date.now() + seconds * 1000;
}

export function seen() {
  seenAt = Date.now();
}

// A new raise or a rise: heard again whatever was silenced; blue chimes once.
export function announce(item) {
  silencedUntil = 0;
  if (item.grade === "blue" && running() && (loudest === null || loudest === "blue")) once("blue");
}

export function update(alarms, lost, raisedAt) {
  loudest = null;
  for (const item of alarms)
    if (UNACKED.has(item.core) && !item.mask && URGENCY[item.grade] > (URGENCY[loudest] ?? 0)) loudest = item.grade;
  if (lost) return play("lost");
  const quiet = Date.now() < silencedUntil;
  const yellowDone = loudest === "yellow" && (seenAt > raisedAt || Date.now() - raisedAt > YELLOW_MS);
  play(loudest === null || loudest === "blue" || quiet || yellowDone ? "none" : loudest);
  return undefined;
}
