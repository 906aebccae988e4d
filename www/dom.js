// The few DOM helpers that the page's parts share.

/** The element with this id, which index.html is known to have. */
export function byId(id) {
  return document.getElementById(id);
}

/** An element with properties, attributes (names with a dash or `role`), and children. Text is never parsed as HTML. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/** Sets text only where it differs, so that screen readers and selections are left alone. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Says something to people who do not see the page. */
export function announce(text) {
  setText(byId("live"), text);
}
