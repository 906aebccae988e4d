// The components that the tests render, on a server and in pages alike.
import { Component, createElement as h, useEffect, useLayoutEffect, useState } from "react";
import {
  UplinkProvider,
  useList,
  useRead,
  useSubmit,
  useTask,
  useUplink,
  useUplinkStatus,
} from "uplink-cache/react";

const SLOW_RENDER_MS = 3;
const SLOW_READERS = 8;

const textOf = (...words) => words.filter(Boolean).join(" ");

/** What is read of a key, as text. */
export function Entry({ id, name = id, suspense = false, onRender = () => {} }) {
  const read = useRead(name, { suspense });
  onRender(read);
  const { state, entry, error } = read;
  const text = textOf(state, entry?.value, entry?.status, error?.code ?? error?.message);
  return h("p", { id }, text);
}

export function List({ id = "list", query = { prefix: "entry/" }, suspense = false }) {
  const { state, items } = useList(query, { suspense });
  return h("p", { id }, textOf(state, ...items.map(({ key, value }) => `${key}=${value}`)));
}

export function Status({ id = "status" }) {
  const { state, error, sending, gateway } = useUplinkStatus();
  const isUsable = useUplink() !== undefined;
  return h("p", { id }, textOf(state, isUsable && "usable", error?.code, sending, gateway));
}

/** Which cache is open, once one is. */
export function Opened({ id = "opened" }) {
  return h("p", { id }, `chain ${useUplink({ suspense: true }).chainId}`);
}

/** Keeps what the status says as the page's global `health`. */
export function Health() {
  const status = useUplinkStatus();
  useEffect(() => {
    globalThis.health = status;
  }, [status]);
  return null;
}

/** A button that submits, and shows how far that is. */
export function Form({ draft }) {
  const submit = useSubmit();
  const [id, setId] = useState();
  const task = useTask(id);
  const onClick = async () => setId((await submit(draft)).id);
  return h(
    "button",
    { id: "send", type: "button", onClick },
    textOf(task?.status, task?.confirmations),
  );
}

/** A task by its id. */
export function Followed({ id }) {
  const task = useTask(id);
  return h("p", { id }, task === undefined ? "nothing" : textOf(task.status, task.lane, task.size));
}

/** Gives the function away. */
export function Submitter({ onSubmit }) {
  const submit = useSubmit();
  useEffect(() => onSubmit(submit), [submit, onSubmit]);
  return null;
}

export class Boundary extends Component {
  state = {};
  static getDerivedStateFromError = (error) => ({ error });
  render() {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    const reset = () => this.setState({ error: undefined });
    return h(this.props.fallback, { error, reset });
  }
}

/** Tells of an error, and tries again. */
export function Again({ error, reset }) {
  const { retry } = useUplinkStatus();
  const onClick = () => {
    retry();
    reset();
  };
  return h("button", { id: "again", type: "button", onClick }, error.code);
}

export function ErrorName({ error }) {
  return h("b", { className: "error" }, error.code ?? error.name);
}

/** Many that read one key and take their time, so that a transition's render is interrupted; `onCommit` gets what they show. */
export function Readers({ onCommit, onTurn }) {
  const [count, setCount] = useState(0);
  useEffect(() => onTurn(() => setCount((before) => before + 1)), [onTurn]);
  const readers = Array.from({ length: SLOW_READERS + (count % 2) }, (_, at) =>
    h(Reader, { key: at, turn: count, onCommit }),
  );
  return h("div", { id: "readers", title: count }, readers);
}

function Reader({ onCommit }) {
  const { entry } = useRead("entry/1");
  const end = performance.now() + SLOW_RENDER_MS;
  while (performance.now() < end);
  useLayoutEffect(() => {
    onCommit(Array.from(document.querySelectorAll(".reader"), (each) => each.textContent));
  });
  return h("i", { className: "reader" }, `${entry?.value}`);
}

/** What a server renders and a page takes over. */
export function Page({ cache, suspense = false }) {
  const parts = [Status, Entry, List].map((part) =>
    h(part, {
      key: part.name,
      id: part.name,
      ...(part === Entry && { name: "entry/1", suspense }),
    }),
  );
  return h(UplinkProvider, { cache }, parts);
}
