// Components over TanStack Query, and what of it tests use in a page.
import { useQuery } from "@tanstack/react-query";
import { createElement as h } from "react";
import { uplinkListOptions, uplinkQueryOptions } from "uplink-cache/query";

export function Queried({ id, cache, name = id, options }) {
  const { status, data, error } = useQuery(uplinkQueryOptions(cache, name, options));
  const words = [status, data === null ? "null" : data?.value, data?.status, error?.code];
  return h("p", { id }, words.filter(Boolean).join(" "));
}

export function QueriedList({ id, cache }) {
  const { status, data } = useQuery(uplinkListOptions(cache, { prefix: "entry/" }));
  const items = data?.items.map(({ key, value }) => `${key}=${value}`) ?? [];
  return h("p", { id }, [status, ...items].join(" "));
}
