export default {
  build: {
    rollupOptions: {
      input: ["index.html", "with-worker.html", "with-service-worker.html", "service-worker.js"],
      output: {
        // A service worker's address must not change, and its scope is the folder that it is in.
        entryFileNames: ({ name }) =>
          name === "service-worker" ? "service-worker.js" : "assets/[name]-[hash].js",
      },
    },
  },
};
