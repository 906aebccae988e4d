// This page's own way to the chain, `/rpc/<session>`, which its server can cut and restore.

import { storedOnce } from "./storage.js";

/** All tabs of one guest share one session. */
export async function openConnection(guest) {
  const session = storedOnce(`guestbook/session/${guest}`, () => crypto.randomUUID());

  async function control(method) {
    const response = await fetch(`/connection/${session}`, { method });
    connection.isConnected = (await response.json()).connected;
  }

  const connection = {
    url: new URL(`/rpc/${session}`, location.href).href,
    isConnected: true,
    refresh: () => control("GET"),
    setConnected: (connected) => control(connected ? "PUT" : "DELETE"),
  };
  await connection.refresh();
  return connection;
}
