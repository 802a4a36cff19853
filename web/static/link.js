/* The page's connection to the daemon: the live feed, reconnecting by itself, and polling while a socket is impossible.
   Says when there is no news; never pretends. */
import { apply } from "./changes.js";

const SILENCE = 2000; // ms without a frame after which the page says so; the daemon sends at least one a second
const LONGEST = 5000;

/** Calls `onDocument(document)` on news and `onStatus({lost, since, why})` when that changes. */
export class Link {
  constructor(onDocument, onStatus) {
    Object.assign(this, { onDocument, onStatus, document: null, number: 0, heard: performance.now(), delay: 500, lost: false, ended: false, asking: false, asked: 0 });
    setInterval(() => this.watch(), 250);
    this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = (this.socket = new WebSocket(`${scheme}://${location.host}/ws`));
    socket.onmessage = (event) => this.frame(JSON.parse(event.data));
    socket.onclose = (event) => this.closed(event.code);
  }

  frame(frame) {
    if (frame.type === "snapshot") this.document = frame.document;
    else if (frame.number === this.number + 1) this.document = apply(this.document, frame.changes);
    else return this.socket.close(); // a frame was missed: begin with a snapshot again
    this.number = frame.number;
    this.delay = 500;
    this.news();
  }

  news() {
    this.heard = performance.now();
    this.heardAt = new Date();
    if (this.lost) { this.lost = false; this.onStatus({ lost: false }); }
    this.onDocument(this.document);
  }

  closed(code) {
    if (code === 4401) this.end();
    if (this.ended) return;
    setTimeout(() => this.connect(), this.delay * (0.8 + Math.random() * 0.4));
    this.delay = Math.min(LONGEST, this.delay * 2);
    this.poll();
  }

  /** Ask over HTTP: it tells whether the session has ended, and it works where sockets do not. */
  async poll() {
    if (this.asking) return;
    this.asking = true;
    this.asked = performance.now();
    try {
      const answer = await fetch("/api/update", { cache: "no-store", signal: AbortSignal.timeout(1500) });
      if (answer.status === 401) return this.end();
      if (answer.ok && this.socket.readyState !== WebSocket.OPEN) { this.document = await answer.json(); this.news(); }
    } catch { /* no news: the watch says so */ } finally { this.asking = false; }
  }

  end() {
    this.ended = true;
    this.lost = true;
    this.onStatus({ lost: true, ended: true, since: this.heardAt });
  }

  watch() {
    if (this.ended) return;
    if (this.socket.readyState !== WebSocket.OPEN && performance.now() - this.asked > 1000) this.poll();
    if (performance.now() - this.heard > SILENCE && !this.lost) {
      this.lost = true;
      this.onStatus({ lost: true, since: this.heardAt });
    }
    if (this.lost && performance.now() - this.heard > 6 * SILENCE && this.socket.readyState === WebSocket.OPEN) this.socket.close();
  }
}
