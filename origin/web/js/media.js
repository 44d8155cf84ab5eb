// Addresses of an item's files. Where the district signs them, they end after a while: who needs one asks here first, and gets one that is still good.
import { ApiError, backoffS, request } from "./api.js";

/** Of their time, after which new ones are asked for: a class that opened a page in one minute does not ask in one second. */
const renewAfter = () => 0.6 + Math.random() * 0.25;
const PAUSE_S = 5; // between two tries to get new ones
const DOUBT_S = 30; // after new ones have come: a file that does not come by them is missing, and newer ones would not bring it
const ANSWER_S = 20; // for which an answer is waited for
const UNSEEN_TRIES = 10; // of a page that nobody looks at, in about five minutes; then it tries when somebody does
const FOLDER = /^(\/media\/\d+\/)(?:bell-token=[^/]*\/)?/;

const isRecent = (when, seconds) => Math.abs(Date.now() - when) < seconds * 1000;
const isHidden = () => document.visibilityState === "hidden";

const pausing = new Set(); // who will try again
document.addEventListener("visibilitychange", () => {
  if (!isHidden()) for (const media of pausing) media.hurry();
});

export class Media {
  /**
   * @param {number} itemId
   * @param {number|null} expiresInS how long the addresses are good that the item came with; null: for ever
   */
  constructor(itemId, expiresInS) {
    this.itemId = itemId;
    this.folders = new Map(); // "/media/ID/" → the newest one, with its token
    this.state = "ready";
    /** Told of another state: "waiting" for Firstbell, "signed-out", "gone" (not for this person, or not any more), "ready" again. */
    this.onState = () => {};
    this.triedAt = -Infinity;
    this.renewedAt = -Infinity;
    this.retryAfterS = null;
    this.asking = null;
    this.waiting = null; // of all who wait, the one that tries
    this.wake = () => {};
    this.last(expiresInS);
  }

  /** Only differences of the device's clock count, which may be a wrong one; it goes on while a laptop sleeps. */
  last(expiresInS, since = Date.now()) {
    this.dueAt = expiresInS === null ? Infinity : since + expiresInS * 1000 * renewAfter();
    this.endsAt = expiresInS === null ? Infinity : since + expiresInS * 1000;
  }

  /** The newest address of a file, from any that it has had. */
  address(old) {
    if (!old) return old;
    const url = new URL(old, location.href);
    const [front, plain] = (url.origin === location.origin && FOLDER.exec(url.pathname)) || [];
    if (!this.folders.has(plain)) return old;
    return this.folders.get(plain) + url.pathname.slice(front.length) + url.search;
  }

  get isGood() {
    return Date.now() < this.endsAt;
  }

  /**
   * One was not taken: whatever the clock says, they are not good any more. Unless they came just now.
   * @param {boolean} isSure it was refused; otherwise its file did not come, and nobody knows why not
   */
  refused(isSure = true) {
    if (!isRecent(this.renewedAt, isSure ? PAUSE_S : DOUBT_S)) this.dueAt = this.endsAt = -Infinity;
  }

  /** Gets new ones when it is time for that; true: those that there are now are good. Never throws. */
  async fresh() {
    if (Date.now() < this.dueAt) return true;
    if (!this.asking && isRecent(this.triedAt, PAUSE_S)) return this.isGood;
    this.asking ??= this.renew().finally(() => { this.asking = null; });
    await this.asking;
    return this.isGood;
  }

  /** The same, and goes on trying for as long as that may help; false: it does not. However many wait for an item's files, one of them asks. */
  wait() {
    this.waiting ??= this.keepTrying().finally(() => { this.waiting = null; });
    return this.waiting;
  }

  async keepTrying() {
    for (let tries = 0; !(await this.fresh()); tries++) {
      if (this.state === "signed-out" || this.state === "gone") return false;
      pausing.add(this);
      await this.pause(tries);
      pausing.delete(this);
    }
    return true;
  }

  /** Until the next try is due. */
  pause(tries) {
    return new Promise((resolve) => {
      this.wake = resolve;
      if (tries < UNSEEN_TRIES || !isHidden()) setTimeout(resolve, backoffS(tries, this.retryAfterS) * 1000);
    });
  }

  /** It is due now: somebody waits for it who did not before. */
  hurry() {
    this.triedAt = -Infinity;
    this.wake();
  }

  async renew() {
    const askedAt = Date.now();
    this.triedAt = askedAt;
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), ANSWER_S * 1000);
    try {
      const answer = await request("GET", `/api/v1/items/${this.itemId}/media`, { signal: patience.signal });
      this.renewedAt = Date.now();
      this.folders = new Map(answer.folders.map((folder) => [FOLDER.exec(folder)[1], folder]));
      this.last(answer.expires_in_s, askedAt);
      this.say("ready");
    } catch (error) {
      const isPassing = error.passing || patience.signal.aborted;
      if (!isPassing && !(error instanceof ApiError)) console.error(error);
      this.retryAfterS = error.retryAfterS ?? null;
      if (!this.isGood) this.say(isPassing ? "waiting" : error.status === 401 ? "signed-out" : "gone");
    } finally {
      clearTimeout(timer);
    }
  }

  say(state) {
    if (state === this.state) return;
    this.state = state;
    this.onState(state);
  }

  /** For a picture or captions, which load by themselves and do not say why not: a file that does not come is asked for once more, by the newest address. */
  retry(element) {
    let tried = false;
    element.addEventListener("load", () => { tried = false; });
    element.addEventListener("error", async () => {
      if (tried) return;
      tried = true;
      if (new URL(this.address(element.src), location.href).href === element.src) this.refused(false);
      if (await this.wait()) element.src = this.address(element.src);
    });
    return element;
  }
}
