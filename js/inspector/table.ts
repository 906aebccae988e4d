// The tasks as a table, of which one window is in the page however many there are. One row's button has the focus, by arrows.
import type { Task } from "../task.js";
import { Details } from "./details.js";
import { arrange, make, setAttribute, setText } from "./dom.js";
import { ago, bytes, count, shortHash, stateOf } from "./format.js";
import type { Model } from "./model.js";

/** Rows in the page at the most. */
const WINDOW = 50;
const COLUMNS = ["Task", "State", "Tries", "Size", "Age"];

interface Row {
  readonly node: HTMLTableRowElement;
  readonly button: HTMLButtonElement;
  readonly key: HTMLElement;
  readonly hash: HTMLElement;
  readonly state: HTMLElement;
  readonly cells: readonly HTMLElement[];
}

export class TaskTable {
  readonly node: HTMLElement;
  readonly #body = make("tbody");
  readonly #empty = make("p", { class: "empty" });
  readonly #place = make("p", { class: "place" });
  readonly #newer = make("button", { type: "button" }, "Newer");
  readonly #older = make("button", { type: "button" }, "Older");
  readonly #details: Details;
  readonly #detailsRow: HTMLTableRowElement;
  readonly #changed: () => void;
  #rows = new Map<string, Row>();
  #tasks: readonly Task[] = [];
  #from = 0;
  #openId: string | undefined;
  /** Where the open task was in the list, so that it keeps its place in the window while others come before it. */
  #openAt = -1;
  /** The row that had the focus last: Tab comes back to it. */
  #currentId: string | undefined;

  constructor({ changed, tell }: { changed: () => void; tell: (words: string) => void }) {
    this.#changed = changed;
    this.#details = new Details(tell);
    const cell = make("td", { colspan: `${COLUMNS.length}` }, this.#details.node);
    this.#detailsRow = make("tr", { class: "details", id: "details" }, cell);
    const head = COLUMNS.map((name) => make("th", { scope: "col", class: name }, name));
    const help = "Arrow keys go from task to task, Enter opens one, Escape closes it.";
    const table = make(
      "table",
      {},
      make("caption", { class: "unseen" }, `Tasks in the backup, newest first. ${help}`),
      make("thead", {}, make("tr", {}, ...head)),
      this.#body,
    );
    const pager = make("div", { class: "pager" }, this.#place, this.#newer, this.#older);
    this.node = make("div", { class: "tasks" }, table, this.#empty, pager);
    this.#newer.addEventListener("click", () => this.#go(this.#from - WINDOW));
    this.#older.addEventListener("click", () => this.#go(this.#from + WINDOW));
    this.node.addEventListener("keydown", (event) => this.#key(event));
  }

  /** The task whose details are shown: it stays in the list. */
  get openId(): string | undefined {
    return this.#openId;
  }

  /** Another list begins at its start, with nothing open. */
  rewind(): void {
    this.#from = 0;
    this.#openId = undefined;
    this.#changed();
  }

  /** Shows these tasks; without any, says why. */
  show(model: Model | undefined, tasks: readonly Task[], why: string): void {
    const wasFocused = this.#focusedAt();
    this.#tasks = tasks;
    this.#keepInPlace();
    this.#from = Math.max(0, Math.min(this.#from, tasks.length - 1));
    const shown = tasks.slice(this.#from, this.#from + WINDOW);
    this.#rows = new Map(shown.map(({ id }) => [id, this.#rows.get(id) ?? this.#makeRow(id)]));
    const isThere = this.#rows.has(this.#currentId ?? "");
    const current = isThere ? this.#currentId : (shown[wasFocused ?? 0] ?? shown.at(-1))?.id;
    const nodes: Element[] = [];
    for (const task of shown) {
      const row = this.#rows.get(task.id);
      if (row === undefined) continue;
      this.#fill(row, task, task.id === current);
      nodes.push(row.node);
      if (task.id !== this.#openId || model === undefined) continue;
      this.#details.show(model, task);
      nodes.push(this.#detailsRow);
    }
    arrange(this.#body, nodes);
    this.#showPlace(shown.length, why);
    // What had the focus is gone, as it was discarded: its neighbour has it now.
    if (wasFocused !== undefined && this.#focusedAt() === undefined) this.#focus(current);
  }

  #showPlace(shown: number, why: string): void {
    const all = this.#tasks.length;
    this.#empty.hidden = shown > 0;
    setText(this.#empty, shown > 0 ? "" : why);
    const last = this.#from + shown;
    setText(this.#place, `${count(this.#from + 1)}–${count(last)} of ${count(all)}`);
    this.#place.hidden = shown === 0;
    this.#newer.hidden = this.#older.hidden = all <= WINDOW && this.#from === 0;
    setAttribute(this.#newer, "aria-disabled", this.#from > 0 ? undefined : "true");
    setAttribute(this.#older, "aria-disabled", last < all ? undefined : "true");
  }

  #keepInPlace(): void {
    const at = this.#tasks.findIndex(({ id }) => id === this.#openId);
    if (at >= 0 && this.#openAt >= 0) this.#from = Math.max(0, this.#from + at - this.#openAt);
    if (at < 0) this.#openId = undefined;
    this.#openAt = at;
  }

  #makeRow(id: string): Row {
    const [key, hash] = [make("span", { class: "key" }), make("span", { class: "hash" })];
    const words = make("span", { class: "words" }, key, hash);
    const button = make("button", { type: "button", class: "name" }, words);
    button.addEventListener("click", () => this.#toggle(id));
    button.addEventListener("focus", () => {
      this.#currentId = id;
    });
    const state = make("span", { class: "state" });
    const cells = ["Tries", "Size", "Age"].map((name) => make("td", { class: name }));
    const node = make(
      "tr",
      {},
      make("th", { scope: "row" }, button),
      make("td", { class: "State" }, state),
      ...cells,
    );
    return { node, button, key, hash, state, cells };
  }

  #fill({ node, button, key, hash, state, cells }: Row, task: Task, isCurrent: boolean): void {
    const isOpen = task.id === this.#openId;
    const { words, colour } = stateOf(task);
    const txId = task.txId ?? "not signed yet";
    setText(key, task.key === task.txId ? "transaction" : task.key || "(empty key)");
    setText(hash, shortHash(txId));
    setText(state, words);
    setAttribute(state, "data-status", colour);
    setAttribute(state, "title", task.cause ?? task.reason);
    setAttribute(node, "data-open", isOpen ? "" : undefined);
    setAttribute(button, "aria-expanded", `${isOpen}`);
    setAttribute(button, "aria-controls", isOpen ? "details" : undefined);
    setAttribute(button, "tabindex", isCurrent ? "0" : "-1");
    const isSettled = task.status === "final" || task.status === "failed";
    const tries = isSettled ? "" : `${task.attempts}`;
    for (const [i, text] of [tries, bytes(task.size), ago(task.createdAt)].entries()) {
      const cell = cells[i];
      if (cell !== undefined) setText(cell, text);
    }
  }

  #toggle(id: string): void {
    this.#openId = this.#openId === id ? undefined : id;
    this.#openAt = -1;
    this.#currentId = id;
    this.#changed();
  }

  #go(from: number): void {
    if (from >= this.#tasks.length || from <= -WINDOW) return;
    this.#from = Math.max(0, from);
    this.#openId = undefined;
    this.#currentId = this.#tasks[this.#from]?.id;
    this.#changed();
  }

  #key(event: KeyboardEvent): void {
    if (event.key === "Escape" && this.#openId !== undefined) {
      event.stopPropagation();
      const id = this.#openId;
      this.#toggle(id);
      this.#focus(id);
      return;
    }
    const at = this.#focusedAt();
    const isInDetails = this.#detailsRow.contains(event.target as Node);
    if (at === undefined || isInDetails) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.#rows.size - 1;
    const places: Record<string, number> = {
      ArrowDown: Math.min(at + 1, last),
      ArrowUp: Math.max(at - 1, 0),
      Home: 0,
      End: last,
    };
    const place = places[event.key];
    if (place !== undefined) this.#focus([...this.#rows.keys()][place]);
    else if (event.key === "PageDown") this.#go(this.#from + WINDOW);
    else if (event.key === "PageUp") this.#go(this.#from - WINDOW);
    else return;
    event.preventDefault();
  }

  #focus(id: string | undefined): void {
    if (id === undefined) return;
    for (const [each, { button }] of this.#rows) {
      setAttribute(button, "tabindex", each === id ? "0" : "-1");
    }
    this.#rows.get(id)?.button.focus();
  }

  /** In which of the rows the focus is, if in any: on its button, or in its details. */
  #focusedAt(): number | undefined {
    const root = this.node.getRootNode() as ShadowRoot | Document;
    const focused = root.activeElement;
    if (focused === null || !this.#body.contains(focused)) return undefined;
    const isInDetails = this.#detailsRow.contains(focused);
    const at = [...this.#rows.entries()].findIndex(([id, { button }]) =>
      isInDetails ? id === this.#openId : button === focused,
    );
    return at < 0 ? undefined : at;
  }
}
