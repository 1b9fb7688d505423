import { defineConfig } from "vite";

export default defineConfig({
  // What the SDK has for debugging is left out, and of recordings what these pages have none of.
  define: {
    __SENTRY_DEBUG__: "false",
    __RRWEB_EXCLUDE_IFRAME__: "true",
    __RRWEB_EXCLUDE_SHADOW_DOM__: "true",
    __SENTRY_EXCLUDE_REPLAY_WORKER__: "true",
  },
  build: {
    // Nothing is inlined: the content security policy takes files of this origin alone.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    sourcemap: "hidden",
  },
});
