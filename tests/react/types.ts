// What the entries for frameworks take and give, as types: checked against the declarations in dist/.
import type { Cache } from "uplink-cache";
import { type TaskView, useTask } from "uplink-cache/react";
import { type ListQuery, useList, useRead } from "uplink-cache/vue";
import { reactive, ref, shallowRef } from "vue";

interface Note {
  text: string;
}

export function useInputs(cache: Cache<Note>) {
  // A deep ref has a type without what is private of the cache.
  const given = ref<Cache<Note>>();
  given.value = cache;
  const entries = [
    useRead(given, "k"),
    useRead(ref(cache), "k"),
    useRead(shallowRef(cache), "k"),
    useRead(() => cache, "k"),
    useRead(Promise.resolve(cache), "k"),
    useRead(cache, "k"),
  ];
  const texts: (string | undefined)[] = entries.map(({ value }) =>
    value?.isCalldata === false ? value.value.text : undefined,
  );
  const one = useList(cache, ref<ListQuery>({ tag: ["a", "b"] }));
  const other = useList(cache, reactive<ListQuery>({ tag: ["a", "b"] }));
  // @ts-expect-error It is no cache.
  useRead({ name: "options" }, "k");
  return [texts, one, other];
}

export function useFields(): [number?, (readonly string[])?, string?] {
  const task: TaskView | undefined = useTask("id");
  return [task?.size, task?.after, task?.update];
}

export function watchInReverse(cache: Cache<Note>): void {
  // @ts-expect-error Pages are frozen.
  cache.watch({ prefix: "a" }, ({ items }) => items.reverse());
}
