// What the page remembers in localStorage, and could do without.

/** The value under `name`, made and stored at the first call. */
export function storedOnce(name, make) {
  const stored = localStorage.getItem(name);
  if (stored !== null) return stored;
  const made = make();
  localStorage.setItem(name, made);
  return made;
}
