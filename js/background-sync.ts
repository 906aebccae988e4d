/** What has become of waking the app's service worker: see `stats()`. */
export type SyncState = "off" | "unavailable" | "idle" | "registered";

/** Background Sync, which not every browser has, and TypeScript's own types do not know. */
interface SyncRegistration {
  sync?: { register(tag: string): Promise<void> };
}

/**
 * Has the browser wake the app's service worker, once there is a network, where something waits to be sent and this page
 * is about to be unable to: it is offline, hidden or left.
 */
export class BackgroundSync {
  state: SyncState = "unavailable";
  readonly #tag: string;
  readonly #hasUnsent: () => boolean;
  #registration: SyncRegistration | undefined;
  #isStopped = false;
  readonly #look = () => this.look();
  readonly #leave = () => this.#register();

  constructor(tag: string, hasUnsent: () => boolean) {
    this.#tag = tag;
    this.#hasUnsent = hasUnsent;
    void this.#begin();
  }

  /** Something was submitted, or the page's state changed. */
  look(): void {
    const { document, navigator } = globalThis;
    if (document?.visibilityState === "hidden" || navigator?.onLine === false) this.#register();
  }

  stop(): void {
    this.#isStopped = true;
    globalThis.removeEventListener?.("offline", this.#look);
    globalThis.removeEventListener?.("pagehide", this.#leave);
    globalThis.document?.removeEventListener("visibilitychange", this.#look);
  }

  async #begin(): Promise<void> {
    try {
      // Asked for early: a page that is being left has no time to wait for it. It may never come.
      this.#registration = (await globalThis.navigator?.serviceWorker?.ready) as
        | SyncRegistration
        | undefined;
    } catch {
      // Not an origin that may have a service worker.
    }
    if (this.#isStopped || this.#registration?.sync === undefined) return;
    this.state = "idle";
    globalThis.addEventListener?.("offline", this.#look);
    globalThis.addEventListener?.("pagehide", this.#leave);
    globalThis.document?.addEventListener("visibilitychange", this.#look);
    this.look();
  }

  /** Registering a tag again changes nothing while it waits; one whose event has been is needed anew. */
  async #register(): Promise<void> {
    const sync = this.#registration?.sync;
    if (sync === undefined || this.#isStopped || !this.#hasUnsent()) return;
    try {
      await sync.register(this.#tag);
      this.state = "registered";
    } catch {
      // The user does not allow it.
      this.state = "unavailable";
    }
  }
}
