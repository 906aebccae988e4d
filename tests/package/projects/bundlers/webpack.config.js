import { fileURLToPath } from "node:url";

export default {
  mode: "production",
  entry: "./main.js",
  output: { filename: "main.js", path: fileURLToPath(new URL("dist/webpack", import.meta.url)) },
};
