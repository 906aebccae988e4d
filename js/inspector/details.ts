// One task in full: what it is, what was seen of it, and what can be done with it.
import type { UplinkError } from "../error.js";
import type { Task } from "../task.js";
import { make, setAttribute, setText } from "./dom.js";
import { bytes, count, duration, STATUS_WORDS, timeOfDay } from "./format.js";
import type { Model } from "./model.js";

const ACTIONS = [
  {
    name: "retry",
    words: "Retry",
    done: "It is tried again.",
    isAllowed: ({ status }: Task) => status === "blocked",
  },
  {
    name: "cancel",
    words: "Cancel",
    done: "It is cancelled.",
    isAllowed: ({ status }: Task) => status === "backed-up" || status === "blocked",
  },
  {
    name: "discard",
    words: "Discard",
    done: "It is discarded.",
    isAllowed: ({ status }: Task) => status === "failed",
  },
] as const;

type Action = (typeof ACTIONS)[number];

export class Details {
  readonly node: HTMLElement;
  readonly #facts = make("dl", { class: "facts" });
  readonly #story = make("ol", { class: "story" });
  readonly #cause = make("p", { class: "cause" });
  readonly #message = make("p", { class: "message", role: "status" });
  readonly #buttons = ACTIONS.map((action) => {
    const button = make("button", { type: "button", class: action.name }, action.words);
    button.addEventListener("click", () => void this.#act(action));
    return { action, button };
  });
  readonly #tell: (words: string) => void;
  #model: Model | undefined;
  #task: Task | undefined;
  #shown = "";

  /** `tell` says what became of an action, where the task may be gone. */
  constructor(tell: (words: string) => void) {
    this.#tell = tell;
    const buttons = this.#buttons.map(({ button }) => button);
    const actions = make("div", { class: "acts", role: "group", "aria-label": "Actions" });
    actions.append(...buttons);
    this.node = make(
      "div",
      { class: "details-box" },
      this.#cause,
      make(
        "div",
        { class: "columns" },
        make("div", {}, make("h4", {}, "Timeline"), this.#story),
        make("div", {}, make("h4", {}, "Task"), this.#facts),
      ),
      make("div", { class: "act-row" }, actions, this.#message),
    );
  }

  show(model: Model, task: Task): void {
    if (task !== this.#task) this.#say("", false);
    this.#model = model;
    this.#task = task;
    for (const { action, button } of this.#buttons) {
      // Not `disabled`: whoever has just pressed it keeps the focus.
      setAttribute(button, "aria-disabled", action.isAllowed(task) ? undefined : "true");
    }
    const facts = factsOf(task);
    const story = storyOf(model, task);
    const shown = JSON.stringify([facts, story]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const cause = [task.reason, task.cause].filter(Boolean).join(": ");
    setText(this.#cause, cause);
    this.#cause.hidden = cause === "";
    this.#facts.replaceChildren(
      ...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))),
    );
    this.#story.replaceChildren(
      ...story.map(({ status, when, words, note }) =>
        make(
          "li",
          { "data-status": status },
          make("span", { class: "when" }, when),
          make("span", { class: "what" }, words),
          make("span", { class: "note" }, note),
        ),
      ),
    );
  }

  async #act({ name, words, done, isAllowed }: Action): Promise<void> {
    const [model, task] = [this.#model, this.#task];
    if (model === undefined || task === undefined || !isAllowed(task)) return;
    this.#say(`${words}…`, false);
    try {
      await model.cache[name](task.id);
      if (name === "discard") model.forget(task.id);
      this.#say(done, false);
      this.#tell(done);
    } catch (error) {
      const { code, message } = error as UplinkError;
      this.#say(`${words} did not work: ${code ?? "error"}: ${message}`, true);
    }
  }

  #say(words: string, isError: boolean): void {
    setText(this.#message, words);
    setAttribute(this.#message, "data-error", isError ? "" : undefined);
  }
}

function factsOf(task: Task): [name: string, value: string][] {
  const { block, confirmations, after } = task;
  const facts: [string, string | number | undefined][] = [
    ["Key", task.key],
    ["Transaction", task.txId],
    ["Replaced by", task.replacedBy],
    ["Block", block && `${count(block.number)} · ${block.hash}`],
    ["Confirmations", confirmations],
    ["Nonce", task.nonce],
    ["Lane", task.lane],
    ["Signer", task.signer],
    ["Update", task.update],
    ["Comes after", after.length > 0 ? after.join(" ") : undefined],
    ["Sends begun here", task.attempts],
    ["Payload and value", bytes(task.size)],
    ["Task", task.id],
  ];
  return facts.flatMap(([name, value]) => (value === undefined ? [] : [[name, `${value}`]]));
}

function storyOf(model: Model, task: Task) {
  const { createdAt, status } = task;
  const date = new Date(createdAt).toLocaleDateString("en", { dateStyle: "medium" });
  const submitted = { status: "submitted", when: timeOfDay(createdAt), words: "Submitted" };
  const steps = model.storyOf(task.id).map((step) => ({
    status: step.status as string,
    when: `+${duration(Math.max(0, step.atMs - createdAt))}`,
    words: STATUS_WORDS[step.status],
    note: step.note,
  }));
  if (steps.length === 0) {
    const note = "since before this inspector looked";
    steps.push({ status, when: "", words: STATUS_WORDS[status], note });
  }
  return [{ ...submitted, note: date }, ...steps];
}
