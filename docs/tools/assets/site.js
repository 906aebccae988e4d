// What the site does beyond being read: a theme of one's own choice, a search over headings, copying of samples.
const THEME = "uplink-cache-docs-theme";
const base = document.body.dataset.base;
const tools = document.getElementById("tools");

addSearch();
addThemeSwitch();
for (const block of document.querySelectorAll(".code")) addCopy(block);

function addThemeSwitch() {
  const button = make("button", { type: "button", className: "theme" });
  const isDark = () =>
    (document.documentElement.dataset.theme ??
      (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const show = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Use the ${isDark() ? "light" : "dark"} theme`);
  };
  button.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(THEME, theme);
    } catch {
      // it lasts as long as the page
    }
    show();
  });
  show();
  tools.append(button);
}

function addSearch() {
  const input = make("input", {
    type: "search",
    placeholder: "Search  /",
    className: "search",
    autocomplete: "off",
  });
  input.setAttribute("aria-label", "Search headings and names");
  input.setAttribute("aria-controls", "found");
  const list = make("ul", { id: "found", className: "found", hidden: true });
  let entries;
  input.addEventListener("focus", async () => {
    // A page opened as a file may not fetch: then there is nothing to be found.
    entries ??= await fetch(`${base}assets/index.json`).then(
      (answer) => answer.json(),
      () => [],
    );
    look();
  });
  const look = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = ({ title, page }) =>
      words.every((word) => `${title} ${page}`.toLowerCase().includes(word));
    const found = words.length === 0 ? [] : (entries ?? []).filter(fits).slice(0, 12);
    list.replaceChildren(
      ...found.map(({ title, page, href }) => {
        const link = make("a", { href: base + href, textContent: title });
        if (page !== title) link.append(make("small", { textContent: page }));
        const item = make("li", {});
        item.append(link);
        return item;
      }),
    );
    list.hidden = found.length === 0;
  };
  input.addEventListener("input", look);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") list.querySelector("a")?.click();
    if (event.key === "Escape") {
      input.value = "";
      look();
    }
    if (event.key === "ArrowDown") list.querySelector("a")?.focus();
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, textarea");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    input.focus();
  });
  const box = make("div", { className: "searching" });
  box.append(input, list);
  tools.append(box);
}

function addCopy(block) {
  const button = make("button", { type: "button", className: "copy", textContent: "Copy" });
  button.addEventListener("click", async () => {
    const text = block.querySelector("code").textContent;
    const isDone = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
    button.textContent = isDone ? "Copied" : "Not allowed";
    button.addEventListener("blur", () => (button.textContent = "Copy"), { once: true });
  });
  block.append(button);
}

function make(name, properties) {
  return Object.assign(document.createElement(name), properties);
}
