// What the page itself remembers, in localStorage.

/** The value under `name`, made and stored at the first call. */
export function storedOnce(name, make) {
  const stored = localStorage.getItem(name);
  if (stored !== null) return stored;
  const made = make();
  localStorage.setItem(name, made);
  return made;
}

export function readJson(name, otherwise) {
  return JSON.parse(localStorage.getItem(name) ?? "null") ?? otherwise;
}

export function writeJson(name, value) {
  localStorage.setItem(name, JSON.stringify(value));
}
