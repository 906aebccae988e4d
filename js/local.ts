/** Whether all of these are on this machine: then they are reached without a network. */
export function areLocal(urls: readonly string[]): boolean {
  return urls.every((url) =>
    /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(url).hostname),
  );
}
