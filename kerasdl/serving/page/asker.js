// One request at a time: while it is on its way only the newest wish is kept.

const PAUSE = 40; // milliseconds from the start of one request to that of the next

export class Asker {
  // request: called with an AbortSignal, makes one request of what is wanted now. done and
  // failed: called with its outcome, unless it was forgotten meanwhile.
  constructor(request, done, failed) {
    this.request = request;
    this.done = done;
    this.failed = failed;
    this.wanted = false;
    this.current = null;
    this.timer = 0;
  }

  // Wants an answer to what is there now.
  ask() {
    this.wanted = true;
    if (!this.current && !this.timer) this.#go();
  }

  // Wants it, after so many milliseconds, and not before.
  askLater(wait) {
    clearTimeout(this.timer);
    this.wanted = true;
    this.timer = setTimeout(() => {
      this.timer = 0;
      if (this.wanted && !this.current) this.#go();
    }, wait);
  }

  // Wants nothing any more: an answer that still comes does not count.
  forget() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.wanted = false;
    this.current?.abort();
    this.current = null;
  }

  async #go() {
    this.wanted = false;
    const mine = this.current = new AbortController();
    const began = performance.now();
    let report;
    try {
      const answer = await this.request(mine.signal);
      report = () => this.done(answer);
    } catch (error) {
      report = () => this.failed(error);
    }
    if (this.current !== mine) return;
    this.current = null;
    report();
    if (this.wanted && !this.timer) this.askLater(Math.max(0, PAUSE - (performance.now() - began)));
  }
}
