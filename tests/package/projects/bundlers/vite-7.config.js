import config from "./vite.config.js";

// Its workers are classic scripts by default, which cannot load a part when it is needed.
export default { ...config, worker: { format: "es" } };
