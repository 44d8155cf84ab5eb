// Which seconds of a video have been watched. Jumping to the end is not watching; watching twice does not count twice.

export class Watched {
  /**
   * @param {number} durationS
   * @param {number} percent what the server knows; taken as watched from the start, the way most people watch
   */
  constructor(durationS, percent = 0) {
    this.seen = new Uint8Array(Math.max(1, Math.ceil(durationS)));
    this.seen.fill(1, 0, Math.round((this.seen.length * percent) / 100));
    this.floor = percent;
  }

  /** @param {TimeRanges} ranges what the player has played since the page was opened */
  add(ranges) {
    for (let i = 0; i < ranges.length; i++) {
      const from = Math.floor(ranges.start(i));
      const to = Math.ceil(ranges.end(i) - 0.25); // the last bit of a second does not make it watched
      this.seen.fill(1, Math.max(0, from), Math.min(this.seen.length, to));
    }
  }

  get percent() {
    let count = 0;
    for (const second of this.seen) count += second;
    return Math.max(this.floor, Math.floor((100 * count) / this.seen.length));
  }
}
