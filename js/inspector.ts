// `<uplink-inspector>`: what a cache does, in any page. `import "uplink-cache/inspector"`, and give the element its `cache`.
import type { Status } from "../build/uplink_cache.js";
import type { Cache } from "./cache.js";
import type { UplinkError } from "./error.js";
import { Chart } from "./inspector/chart.js";
import { make, setAttribute, setText } from "./inspector/dom.js";
import { count, STATUS_WORDS, STATUSES } from "./inspector/format.js";
import { Model } from "./inspector/model.js";
import { Overview } from "./inspector/overview.js";
import { CSS } from "./inspector/style.js";
import { TaskTable } from "./inspector/table.js";
import type { Task } from "./task.js";

declare global {
  interface HTMLElementTagNameMap {
    "uplink-inspector": UplinkInspector;
  }
}

/** On a server there are no elements, and importing this does nothing. */
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;
const NO_CACHE = "No cache yet: this element waits for its cache property.";
const NO_TASKS = "No tasks in the backup.";
const NO_MATCH = "No task fits the filter.";

let sheet: CSSStyleSheet | undefined;

/** A panel that shows what a cache does, and acts on its tasks. */
export class UplinkInspector extends Base {
  // biome-ignore lint/suspicious/noExplicitAny: whatever its values are
  #cache: Cache<any> | undefined;
  #view: View | undefined;
  #model: Model | undefined;
  #frame: number | undefined;

  /** What is shown. It may come later, be another one, or be taken away. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever its values are
  get cache(): Cache<any> | undefined {
    return this.#cache;
  }
  // biome-ignore lint/suspicious/noExplicitAny: whatever its values are
  set cache(cache: Cache<any> | null | undefined) {
    if ((cache ?? undefined) === this.#cache) return;
    this.#cache = cache ?? undefined;
    if (this.isConnected) this.#start();
  }

  /** @internal */
  connectedCallback(): void {
    // What was set before the element was defined hides the accessor.
    if (Object.hasOwn(this, "cache")) {
      const early = Object.getOwnPropertyDescriptor(this, "cache")?.value;
      Reflect.deleteProperty(this, "cache");
      this.#cache = early ?? undefined;
    }
    this.#view ??= this.#draw();
    this.#start();
  }

  /** @internal Nothing of the cache is listened to any more. */
  disconnectedCallback(): void {
    this.#stop();
  }

  #draw(): View {
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    if (sheet === undefined) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(CSS);
    }
    root.adoptedStyleSheets = [sheet];
    const view = new View(() => this.#soon());
    root.replaceChildren(view.node);
    return view;
  }

  #start(): void {
    this.#stop();
    this.#model = this.#cache && new Model(this.#cache, () => this.#soon());
    this.#view?.begin();
    this.#soon();
  }

  #stop(): void {
    this.#model?.stop();
    this.#model = undefined;
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    this.#frame = undefined;
  }

  /** Once a frame at the most; while it is not to be seen, not at all. */
  #soon(): void {
    if (!this.isConnected) return;
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      if (this.getClientRects().length > 0) this.#view?.show(this.#model);
    });
  }
}

/** What is in the element's shadow. */
class View {
  readonly node: HTMLElement;
  readonly #overview = new Overview();
  readonly #chart = new Chart();
  readonly #table: TaskTable;
  readonly #role = make("span", { class: "role" });
  readonly #chain = make("span", { class: "chain" });
  readonly #export = make("button", { type: "button", class: "export" }, "Export backup");
  readonly #trouble = make("p", { class: "trouble" });
  readonly #live = make("p", { class: "unseen", role: "status" });
  readonly #search = make("input", {
    type: "search",
    placeholder: "Key, hash, cause…",
    "aria-label": "Show only tasks with this text",
  });
  readonly #filters: { status: Status | undefined; button: HTMLElement; many: HTMLElement }[];
  readonly #changed: () => void;
  #model: Model | undefined;
  #status: Status | undefined;

  constructor(changed: () => void) {
    this.#changed = changed;
    this.#table = new TaskTable({ changed, tell: (words) => setText(this.#live, words) });
    this.#filters = [undefined, ...STATUSES].map((status) => this.#makeFilter(status));
    const states = make("div", { class: "states", role: "group", "aria-label": "Show only" });
    states.append(...this.#filters.map(({ button }) => button));
    const legend = make("span", { class: "legend" }, "half within · 99 % within");
    const title = make("h2", { id: "title" }, "Uplink inspector");
    this.node = make(
      "section",
      { class: "inspector", "aria-labelledby": "title" },
      make("header", {}, title, this.#role, this.#chain, this.#export),
      this.#trouble,
      make(
        "div",
        { class: "top" },
        make("div", { class: "card" }, make("h3", {}, "The cache"), this.#overview.node),
        make(
          "div",
          { class: "card" },
          make("h3", {}, "Time from submit", legend),
          this.#chart.node,
        ),
      ),
      make("div", { class: "filters" }, states, this.#search),
      this.#table.node,
      this.#live,
    );
    this.#export.addEventListener("click", () => void this.#save());
    this.#search.addEventListener("input", () => this.#table.rewind());
    this.#search.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.#search.value === "") return;
      event.stopPropagation();
      this.#search.value = "";
      this.#table.rewind();
    });
  }

  /** Another cache is shown from now on. */
  begin(): void {
    setText(this.#live, "");
    this.#tell("");
    this.#table.rewind();
  }

  show(model: Model | undefined): void {
    this.#model = model;
    model?.look();
    this.node.classList.toggle("waiting", model === undefined);
    this.#showHead(model);
    if (model !== undefined) {
      this.#overview.show(model);
      this.#chart.show(model);
    }
    const counts = model?.counts();
    const all = model?.tasks ?? [];
    for (const { status, button, many } of this.#filters) {
      setText(many, count(status === undefined ? all.length : (counts?.[status] ?? 0)));
      setAttribute(button, "aria-pressed", `${status === this.#status}`);
    }
    const why = model === undefined ? NO_CACHE : all.length === 0 ? NO_TASKS : NO_MATCH;
    this.#table.show(model, this.#filter(all), why);
  }

  #showHead(model: Model | undefined): void {
    const { stats, ended, cache } = model ?? {};
    const sends = stats?.leader ? "this tab sends" : "another tab sends";
    setText(this.#role, ended ? "closed" : stats === undefined ? "no cache" : sends);
    const kind = ended ? "closed" : stats?.leader ? "leader" : "follower";
    setAttribute(this.#role, "data-kind", kind);
    setText(this.#chain, cache === undefined ? "" : `chain ${cache.chainId}`);
    setAttribute(this.#export, "aria-disabled", stats && !ended ? undefined : "true");
    if (ended) this.#tell(`The cache answers no more: ${ended.code}: ${ended.message}`);
  }

  #filter(tasks: readonly Task[]): readonly Task[] {
    const wanted = this.#search.value.trim().toLowerCase();
    if (this.#status === undefined && wanted === "") return tasks;
    return tasks.filter(
      (task) =>
        task.id === this.#table.openId ||
        ((this.#status === undefined || task.status === this.#status) && hasText(task, wanted)),
    );
  }

  #makeFilter(status: Status | undefined) {
    const words = status === undefined ? "All" : STATUS_WORDS[status];
    const many = make("span", { class: "many" }, "0");
    const button = make("button", { type: "button", "data-status": status ?? "all" }, words, many);
    button.addEventListener("click", () => {
      this.#status = status;
      this.#table.rewind();
    });
    return { status, button, many };
  }

  async #save(): Promise<void> {
    const cache = this.#model?.cache;
    if (cache === undefined || this.#model?.ended) return;
    this.#tell("");
    try {
      const url = URL.createObjectURL(await cache.exportBackup());
      const day = new Date().toISOString().slice(0, 10);
      make("a", { href: url, download: `uplink-backup-${day}.uplink` }).click();
      URL.revokeObjectURL(url);
      setText(this.#live, "The backup is saved as a file.");
    } catch (error) {
      const { code, message } = error as UplinkError;
      this.#tell(`The backup was not saved: ${code ?? "error"}: ${message}`);
    }
    this.#changed();
  }

  #tell(trouble: string): void {
    setText(this.#trouble, trouble);
    this.#trouble.hidden = trouble === "";
    setAttribute(this.#trouble, "role", trouble === "" ? undefined : "alert");
  }
}

function hasText(task: Task, wanted: string): boolean {
  if (wanted === "") return true;
  const { key, txId, id, reason, cause, lane, signer } = task;
  return [key, txId, id, reason, cause, lane, signer].some(
    (text) => text?.toLowerCase().includes(wanted) ?? false,
  );
}

if (globalThis.customElements?.get("uplink-inspector") === undefined) {
  globalThis.customElements?.define("uplink-inspector", UplinkInspector);
}
