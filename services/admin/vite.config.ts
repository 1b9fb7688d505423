import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const COMPRESSED = /\.(html|js|css|svg)$/;

/** Writes a .br and a .gz beside every text file of the build: they are made once, not at each request. */
function precompressed(): Plugin {
  let folder = "";
  return {
    name: "precompressed",
    apply: "build",
    configResolved(config) {
      folder = config.build.outDir;
    },
    closeBundle() {
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        if (entry.isFile() && COMPRESSED.test(entry.name)) {
          const file = join(entry.parentPath, entry.name);
          const bytes = readFileSync(file);
          writeFileSync(`${file}.br`, brotliCompressSync(bytes));
          writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
        }
      }
    },
  };
}

export default defineConfig({
  // What the SDK has for debugging and for recording the page is left out.
  define: { __SENTRY_DEBUG__: "false", __RRWEB_EXCLUDE_IFRAME__: "true", __RRWEB_EXCLUDE_SHADOW_DOM__: "true" },
  // Nothing is inlined: the content security policy takes files of this origin alone.
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: "es2022" },
  plugins: [precompressed()],
});
