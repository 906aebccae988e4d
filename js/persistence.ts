/**
 * Whether the browser may delete this origin's storage when space is short. Nothing waits for its answers: one that asks
 * the user may never answer.
 */
export class Persistence {
  isPersisted: boolean | undefined;
  wasAsked = false;
  readonly #isWanted: boolean;

  constructor(isWanted: boolean) {
    this.#isWanted = isWanted;
    this.#take(() => storage()?.persisted?.());
  }

  /** There is something to lose: asks, once. Only pages can. */
  ask(): void {
    if (!this.#isWanted || this.wasAsked || typeof storage()?.persist !== "function") return;
    this.wasAsked = true;
    this.#take(() => storage()?.persist());
  }

  #take(question: () => Promise<boolean> | undefined): void {
    void (async () => {
      try {
        const answer = await question();
        // A late "not yet" to the first question is older than a "yes" to the second.
        if (answer !== undefined) this.isPersisted = this.isPersisted || answer;
      } catch {
        // The browser has no word on it, as in a frame without storage.
      }
    })();
  }
}

function storage(): StorageManager | undefined {
  return globalThis.navigator?.storage;
}
