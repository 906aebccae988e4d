// What the tests look at from the page's start on: what its policy forbade.

globalThis.inspectorPage = { violations: [] };
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
  inspectorPage.violations.push(`${violatedDirective} ${blockedURI}`);
});
