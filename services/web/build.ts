/**
 * Builds the pages: into dist/ what is served, compressed once and not at each request; into maps/ the same files with
 * their source maps, for Sentry alone. A debug id in both tells Sentry which belong together.
 */
import { execFileSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { SentryCli } from "@sentry/cli";
import { build } from "vite";

const COMPRESSED = /\.(html|js|css|svg)$/;

rmSync("maps", { recursive: true, force: true });
await build({ logLevel: "error" });
execFileSync(SentryCli.getPath(), ["sourcemaps", "inject", "dist"], { stdio: ["ignore", "ignore", "inherit"] });
cpSync("dist/assets", "maps", { recursive: true });
for (const file of files("maps")) if (!/\.js(\.map)?$/.test(file)) rmSync(file);

for (const file of files("dist")) {
  if (file.endsWith(".map")) {
    rmSync(file);
  } else if (COMPRESSED.test(file)) {
    const bytes = readFileSync(file);
    writeFileSync(`${file}.br`, brotliCompressSync(bytes));
    writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
  }
}

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
