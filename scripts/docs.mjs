// Makes the documentation site in docs/site/: `npm run docs`. What is in it is read from the repository as it stands.
import { build } from "./build.mjs";
import { main, say } from "./lib.mjs";
import { setup } from "./setup.mjs";

/** Builds the package, since the reference is made of its types, and then the site; gives the names of the pages. */
export async function docs() {
  await build();
  await setup(["docs"]);
  const { writeSite } = await import("../docs/tools/site.mjs");
  const pages = writeSite();
  say(`docs: ${pages.length} pages in docs/site/; open docs/site/index.html`);
  return pages;
}

await main(import.meta, docs);
