import type { UplinkError } from "./error.js";

/** Looks again whenever something changed, once at a time: changes during a look make one more. */
export class Watcher {
  readonly matches: (key: string) => boolean;
  readonly #look: () => Promise<void>;
  #isLooking = false;
  #isStale = false;
  #isStopped = false;

  constructor(matches: (key: string) => boolean, look: () => Promise<void>) {
    this.matches = matches;
    this.#look = look;
  }

  changed(): void {
    this.#isStale = true;
    if (!this.#isLooking) void this.#run();
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #run(): Promise<void> {
    this.#isLooking = true;
    while (this.#isStale && !this.#isStopped) {
      this.#isStale = false;
      try {
        await this.#look();
      } catch (error) {
        // A closed cache has nothing more to say; anything else is the dapp's to see.
        if ((error as UplinkError)?.code !== "closed") reportError(error);
      }
    }
    this.#isLooking = false;
  }
}
