// What the address says, and what the page shows of it.

export const setup = JSON.parse(decodeURIComponent(location.hash.slice(1)));

export function show(what, content) {
  const output = document.createElement("output");
  output.dataset.what = what;
  output.textContent = JSON.stringify(content);
  document.body.append(output);
}
