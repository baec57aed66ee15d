// The live stream: one WebSocket for data and commands. A hole in `n` or `prev`, or silence, ends
// the connection and the next one starts from a snapshot. A command is never queued.
const SILENT_MS = 5000;
const ANSWER_MS = 5000;
const RETRY_MS = [300, 1000, 2000, 5000];

export class Stream {
  constructor(on) {
    this.on = on; // {frame, refused}
    this.sequence = null;
    this.heard = -Infinity;
    this.behind = 0;
    this.waiting = new Map();
    this.tries = 0;
    this.stopped = true;
  }

  start() {
    this.stopped = false;
    this.open();
  }

  stop() {
    this.stopped = true;
    this.socket?.close();
    this.sequence = null;
    this.heard = -Infinity;
  }

  // Seconds since the newest proof that the daemon lives.
  get age() {
    return (performance.now() - this.heard) / 1000 + this.behind;
  }

  open() {
    if (this.stopped) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/live`);
    let n = 0;
    let touched = performance.now();
    const watch = setInterval(() => {
      if (performance.now() - touched > SILENT_MS) socket.close();
    }, 1000);
    this.socket = socket;
    socket.onmessage = (event) => {
      touched = performance.now();
      const frame = JSON.parse(event.data);
      if (frame.n !== n++ || !this.take(frame)) {
        this.sequence = null; // a hole: everything is asked anew
        socket.close();
      }
    };
    socket.onopen = () => this.subscribe([]);
    socket.onclose = (event) => {
      clearInterval(watch);
      if (this.socket !== socket) return;
      this.socket = null;
      for (const answer of this.waiting.values()) answer({ ok: false, code: "LOST" });
      if (this.stopped) return;
      if (event.code === 4401) this.on.refused();
      else this.again();
    };
  }

  again() {
    const pause = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)];
    setTimeout(() => this.probe(), pause);
  }

  // A refused handshake looks like a broken one from here: the API says which it is.
  async probe() {
    try {
      const answer = await fetch("/api/v1/health");
      if (answer.status === 401) return this.on.refused();
    } catch {
      return this.again();
    }
    return this.open();
  }

  take(frame) {
    if (frame.type === "health") {
      this.behind = frame.age_ms / 1000;
      this.heard = performance.now();
    } else if (frame.type === "values" || frame.type === "transition") {
      this.behind = 0;
      this.heard = performance.now();
    } else if (frame.type === "result") {
      this.waiting.get(frame.command)?.(frame);
      return true;
    }
    if (frame.type === "transition") {
      if (this.sequence !== null && frame.prev !== this.sequence) return false;
      this.sequence = frame.sequence;
    }
    if (frame.type === "snapshot") {
      this.sequence = frame.sequence;
      this.tries = 0;
    }
    this.on.frame(frame);
    return true;
  }

  subscribe(points) {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const since = this.subscribed === this.socket ? this.sequence : null;
    this.subscribed = this.socket;
    this.socket.send(JSON.stringify({ type: "subscribe", since, points }));
  }

  command(fields) {
    if (this.socket?.readyState !== WebSocket.OPEN) return Promise.resolve({ ok: false, code: "LOST" });
    return new Promise((resolve) => {
      const done = (answer) => {
        clearTimeout(timer);
        this.waiting.delete(fields.command);
        resolve(answer);
      };
      const timer = setTimeout(() => done({ ok: false, code: "LOST" }), ANSWER_MS);
      this.waiting.set(fields.command, done);
      this.socket.send(JSON.stringify({ type: "command", ...fields }));
    });
  }
}
