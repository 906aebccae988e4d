// Uncaught errors, unhandled rejections and panics of the module, for the test to look at.
globalThis.failures = [];
addEventListener("error", (event) => globalThis.failures.push(`uncaught: ${event.message}`));
addEventListener("unhandledrejection", (event) =>
  globalThis.failures.push(`unhandled: ${event.reason}`),
);
const { error } = console;
console.error = (...words) => {
  if (words.join(" ").includes("panicked")) globalThis.failures.push(words.join(" "));
  error.apply(console, words);
};

// The last module resolves it: WebKit's driver counts a page as loaded before its modules have run.
globalThis.ready = new Promise((resolve) => {
  globalThis.isReady = resolve;
});
