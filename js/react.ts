// A cache in React: a provider, and hooks over its live queries.
import {
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  use,
  useCallback,
  useContext,
  useMemo,
  useSyncExternalStore,
} from "react";
import type { Cache, Entry, SubmitOptions } from "./cache.js";
import type { ListQuery } from "./following.js";
import { type Health, healthOf } from "./health.js";
import type { CacheSource } from "./intercept.js";
import { failureOf, OPENING, type Opening, type OpeningState, openingOf } from "./opening.js";
import { follow, lastPageOf, pageOf, untilKnown } from "./shared.js";
import type { Task } from "./task.js";
import { type TaskView, taskView } from "./task-view.js";

export type { ListQuery } from "./following.js";
export type { Health } from "./health.js";
export type { CacheSource } from "./intercept.js";
export type { TaskView } from "./task-view.js";

export interface UplinkProviderProps {
  /**
   * An open cache, the promise of one, or a function that gives either: it is called once, in the browser, when something
   * below needs it. The same one for as long as it means the same cache: from the module, or by `useMemo` and `useCallback`.
   */
  cache: CacheSource;
  children?: ReactNode;
}

/** What is known of a key. `undefined` as the entry of `ready`: nothing is there. */
export type Read<V> =
  | { state: "pending"; entry: undefined; error: undefined }
  | { state: "ready"; entry: Entry<V> | undefined; error: undefined }
  /**
   * The cache could not be opened, or is closed or broken, or the codec cannot decode a value. What was shown last is there
   * still.
   */
  | { state: "failed"; entry: Entry<V> | undefined; error: Error };

/** What is known of a list. */
export type List<V> = { items: readonly Entry<V>[] /** There is more. */; cursor?: string } & (
  | { state: "pending" | "ready"; error: undefined }
  | { state: "failed"; error: Error }
);

export type UplinkStatus =
  | { state: "opening" }
  | ({ state: "open" } & Health)
  /** `retry` calls the app's function again; with a cache or a promise give the provider another. */
  | { state: "failed"; error: Error; retry: (() => void) | undefined };

/** With `suspense` it suspends instead of `pending`, and throws instead of `failed`. */
export interface Suspending {
  suspense: true;
}
export interface NotSuspending {
  suspense?: false;
}

const Context = createContext<Opening | undefined>(undefined);
const NOTHING: readonly never[] = Object.freeze([]);
/** What a server knows, and a page while it takes a server's rendering over. */
const ON_SERVER: OpeningState = { ...OPENING };
const onServer = () => ON_SERVER;
const nothing = () => undefined;

/** Gives a cache to the hooks below. It never closes it: whoever opened it does. */
export function UplinkProvider({ cache, children }: UplinkProviderProps): ReactElement {
  return createElement(Context.Provider, { value: openingOf(cache) }, children);
}

/** The cache, once it is open. */
// biome-ignore lint/suspicious/noExplicitAny: what JSON values are is the dapp's to say
export function useUplink<V = any>(options: Suspending): Cache<V>;
// biome-ignore lint/suspicious/noExplicitAny: what JSON values are is the dapp's to say
export function useUplink<V = any>(options?: NotSuspending): Cache<V> | undefined;
export function useUplink<V>({ suspense }: Suspending | NotSuspending = {}): Cache<V> | undefined {
  const state = useOpening(suspense);
  return state.state === "open" ? state.cache : undefined;
}

/** What a key's value is, kept up to date. */
// biome-ignore lint/suspicious/noExplicitAny: what JSON values are is the dapp's to say
export function useRead<V = any>(
  key: string,
  options: Suspending,
): Extract<Read<V>, { state: "ready" }>;
// biome-ignore lint/suspicious/noExplicitAny: what JSON values are is the dapp's to say
export function useRead<V = any>(key: string, options?: NotSuspending): Read<V>;
export function useRead<V>(key: string, { suspense }: Suspending | NotSuspending = {}): Read<V> {
  const { page, state, error } = useQuery({ key: key ?? null }, suspense);
  const entry: Entry<V> | undefined = page?.items[0];
  return useMemo(() => ({ state, entry, error }) as Read<V>, [state, entry, error]);
}

/** What a list is, kept up to date. */
// biome-ignore lint/suspicious/noExplicitAny: what JSON values are is the dapp's to say
export function useList<V = any>(query: ListQuery, options: Suspending): Ready<List<V>>;
// biome-ignore lint/suspicious/noExplicitAny: what JSON values are is the dapp's to say
export function useList<V = any>(query?: ListQuery, options?: NotSuspending): List<V>;
export function useList<V>(
  query: ListQuery = {},
  { suspense }: Suspending | NotSuspending = {},
): List<V> {
  const { page, state, error } = useQuery(query, suspense);
  return useMemo(() => {
    const { items = NOTHING, cursor } = page ?? {};
    return { state, items, error, ...(cursor !== undefined && { cursor }) } as List<V>;
  }, [state, page, error]);
}

type Ready<L> = L extends { error: undefined } ? L & { state: "ready" } : never;

/**
 * `cache.submit`: the same function while the provider has the same cache. Called before that is open it waits, and rejects
 * where it cannot be opened.
 */
// biome-ignore lint/suspicious/noExplicitAny: what JSON values are is the dapp's to say
export function useSubmit<V = any>(): (options: SubmitOptions<V>) => Promise<Task> {
  const opening = useGiven();
  return useCallback(
    async (options) => (await opening.cache()).submit(options as SubmitOptions<unknown>),
    [opening],
  );
}

/** Where a task stands; nothing before the cache is open, and where the backup has it no more. */
export function useTask(id: string | undefined): TaskView | undefined {
  const { cache } = useOpening(false);
  const store = useMemo(
    () => (cache === undefined || id === undefined ? NO_STORE : taskView(cache, id)),
    [cache, id],
  );
  return useSyncExternalStore<TaskView | undefined>(store.subscribe, store.getSnapshot, nothing);
}

/** How the cache fares: opening, open or failed, who sends, gateways, storage. */
export function useUplinkStatus(): UplinkStatus {
  const opening = useGiven();
  const { state, cache, error } = useOpening(false);
  const store = useMemo(() => (cache === undefined ? NO_STORE : healthOf(cache)), [cache]);
  const health = useSyncExternalStore<Health | undefined>(
    store.subscribe,
    store.getSnapshot,
    nothing,
  );
  return useMemo(() => {
    if (state === "open" && health !== undefined) return { state, ...health };
    // The app may have closed it.
    const failure = error ?? (cache && failureOf(cache));
    if (failure === undefined) return { state: "opening" };
    return { state: "failed", error: failure, retry: opening.retry };
  }, [opening, state, cache, error, health]);
}

const NO_STORE = { subscribe: () => () => {}, getSnapshot: nothing };

function useGiven(): Opening {
  const opening = useContext(Context);
  if (opening === undefined)
    throw new Error("the hooks of uplink-cache/react need an UplinkProvider above");
  return opening;
}

function useOpening(suspense: boolean | undefined): OpeningState {
  const opening = useGiven();
  const state = useSyncExternalStore(opening.subscribe, opening.getSnapshot, onServer);
  if (suspense !== true) return state;
  if (state === ON_SERVER) {
    throw new Error(
      "there is no backup on a server: React shows the fallback of the Suspense above",
    );
  }
  if (state.state === "failed") throw state.error;
  return state.state === "open" ? state : { state: "open", cache: use(opening.cache()) };
}

/** A query's page with its state; the same for all who ask the same, in every render. */
function useQuery(query: object, suspense: boolean | undefined) {
  const { cache, error: failure } = useOpening(suspense);
  const id = JSON.stringify(query);
  const subscribe = useCallback(
    (listener: () => void) => (cache === undefined ? () => {} : follow(cache, id, listener)),
    [cache, id],
  );
  const getSnapshot = () => (cache === undefined ? undefined : pageOf(cache, id));
  let found = useSyncExternalStore(subscribe, getSnapshot, nothing);
  if (suspense === true && cache !== undefined && found === undefined) {
    use(untilKnown(cache, id));
    found = pageOf(cache, id);
  }
  const last = cache && lastPageOf(cache, id);
  const page = found instanceof Error ? last : found;
  const error = failure ?? (found instanceof Error ? found : undefined);
  if (suspense === true && error !== undefined) throw error;
  if (error !== undefined) return { page, error, state: "failed" as const };
  return { page, error, state: page === undefined ? ("pending" as const) : ("ready" as const) };
}
