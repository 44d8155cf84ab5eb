// Addresses of an item's files. Where the district signs them, they end after a while: who needs one asks here first, and gets one that is still good.
import { ApiError, backoffS, request } from "./api.js";

/** Of their time, after which new ones are asked for: a class that opened a page in one minute does not ask in one second. */
const renewAfter = () => 0.6 + Math.random() * 0.25;
const PAUSE_S = 5; // between two tries to get new ones, while the old ones are still good
const FOLDER = /^(\/media\/\d+\/)(?:bell-token=[^/]*\/)?/;

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

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
    this.retryAfterS = null;
    this.asking = null;
    this.last(expiresInS);
  }

  /** Only differences of the device's clock count, which may be a wrong one; it goes on while a laptop sleeps. */
  last(expiresInS) {
    this.dueAt = expiresInS === null ? Infinity : Date.now() + expiresInS * 1000 * renewAfter();
    this.endsAt = expiresInS === null ? Infinity : Date.now() + expiresInS * 1000;
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

  /** One was not taken: whatever the clock says, they are not good any more. */
  refused() {
    this.dueAt = this.endsAt = -Infinity;
  }

  /** Gets new ones when it is time for that; true: those that there are now are good. Never throws. */
  async fresh() {
    if (Date.now() < this.dueAt) return true;
    if (this.isGood && Math.abs(Date.now() - this.triedAt) < PAUSE_S * 1000) return true;
    this.asking ??= this.renew().finally(() => { this.asking = null; });
    await this.asking;
    return this.isGood;
  }

  /** The same, and goes on trying for as long as that may help; false: it does not. */
  async wait() {
    for (let tries = 0; !(await this.fresh()); tries++) {
      if (this.state !== "waiting") return false;
      await sleep(backoffS(tries, this.retryAfterS));
    }
    return true;
  }

  async renew() {
    this.triedAt = Date.now();
    try {
      const answer = await request("GET", `/api/v1/items/${this.itemId}/media`);
      this.folders = new Map(answer.folders.map((folder) => [FOLDER.exec(folder)[1], folder]));
      this.last(answer.expires_in_s);
      this.say("ready");
    } catch (error) {
      if (!(error instanceof ApiError)) console.error(error);
      this.retryAfterS = error.retryAfterS ?? null;
      if (!this.isGood) this.say(error.passing ? "waiting" : error.status === 401 ? "signed-out" : "gone");
    }
  }

  say(state) {
    if (state === this.state) return;
    this.state = state;
    this.onState(state);
  }

  /** For a picture or captions, which load by themselves: a file that does not come is asked for once more, by a new address. */
  retry(element) {
    let tried = false;
    element.addEventListener("load", () => { tried = false; });
    element.addEventListener("error", async () => {
      if (tried) return;
      tried = true;
      this.refused();
      if (await this.wait()) element.src = this.address(element.src);
    });
    return element;
  }
}
