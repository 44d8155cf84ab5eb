// Saves where a student is in a video: every 10 s of play, on pause, at the end, and when the page goes away. Only what changed is sent, one save at a
// time; what fails is tried again with growing pauses and kept on the device until it is through.
import { ApiError, backoffS, request } from "./api.js";
import { forget, keep, leftOverKey } from "./leftovers.js";

export const SAVE_EVERY_S = 10;
const TIME_SPENT_MAX_S = 120; // what one save may carry; the rest goes with the next

export class ProgressSaver {
  /**
   * @param {{userId: number, itemId: number, percent: number, position_s: number}} known what the server has
   * @param {{onState?: (state: "saving"|"saved"|"waiting"|"signed-out"|"refused") => void, onSaved?: (answer: object) => void}} [hooks]
   */
  constructor(known, { onState = () => {}, onSaved = () => {} } = {}) {
    this.itemId = known.itemId;
    this.key = leftOverKey(known.userId, known.itemId);
    this.taken = { position_s: known.position_s || 0, percent: known.percent || 0 }; // what the newest save carried
    this.now = { ...this.taken };
    this.spentS = 0; // played, and in no save yet
    this.unsent = false; // a save has failed and has to be repeated
    this.flying = false;
    this.again = false; // something asked for a save while one was flying
    this.tries = 0;
    this.timer = null; // set while we wait after a failure
    this.stopped = false;
    this.onState = onState;
    this.onSaved = onSaved;
    addEventListener("online", () => this.#endWait());
  }

  /** Notes where the student is now; sends nothing. */
  note({ position_s, percent, spentS = 0 }) {
    this.now.position_s = Math.max(0, Math.round(position_s));
    this.now.percent = Math.max(this.now.percent, Math.min(100, Math.floor(percent)));
    this.spentS += spentS;
  }

  get changed() {
    return this.unsent || this.now.position_s !== this.taken.position_s || this.now.percent !== this.taken.percent || this.spentS >= 1;
  }

  /** Sends what changed. A save that is under way is followed by another, never overtaken; after a failure the pause is kept. */
  async flush() {
    if (this.stopped || !this.changed) return;
    if (this.timer) {
      keep(this.key, this.#save());
      return;
    }
    if (this.flying) {
      this.again = true;
      return;
    }
    this.flying = true;
    this.onState("saving");
    await this.#send(this.#take(), false);
    this.flying = false;
    if (this.again) {
      this.again = false;
      await this.flush();
    }
  }

  /** The page goes away: the browser finishes this request without us. Time spent is not kept beside it, since it could be counted twice. */
  flushLast() {
    if (this.stopped || !this.changed) return;
    const save = this.#take();
    keep(this.key, { position_s: save.position_s, percent: save.percent });
    this.#send(save, true);
  }

  #save() {
    return { ...this.now, time_spent_s: Math.min(TIME_SPENT_MAX_S, Math.floor(this.spentS)) };
  }

  #take() {
    const save = this.#save();
    this.taken = { ...this.now };
    this.spentS -= save.time_spent_s;
    this.unsent = false;
    return save;
  }

  async #send(save, keepalive) {
    try {
      const answer = await request("PUT", `/api/v1/items/${this.itemId}/progress`, { body: save, keepalive });
      this.tries = 0;
      forget(this.key);
      this.onState("saved");
      this.onSaved(answer);
    } catch (error) {
      this.unsent = true;
      this.spentS += save.time_spent_s;
      this.#failed(error);
    }
  }

  #failed(error) {
    if (error instanceof ApiError && error.passing) {
      keep(this.key, this.#save());
      this.onState("waiting");
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.#endWait(), backoffS(++this.tries, error.retryAfterS) * 1000);
      return;
    }
    if (error.status === 401) {
      keep(this.key, this.#save()); // sent after the next sign-in
      this.onState("signed-out");
    } else {
      forget(this.key); // locked or gone: the same save would be refused again
      this.onState("refused");
    }
    this.stopped = true;
  }

  #endWait() {
    clearTimeout(this.timer);
    this.timer = null;
    this.flush();
  }
}
