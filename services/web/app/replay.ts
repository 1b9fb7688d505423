/** Recordings of what a player sees and does. In a file of its own, loaded for those who have agreed. */
import { getClient, replayIntegration } from "@sentry/react";
import workerUrl from "@sentry/replay/worker-bundler?worker&url";

/** What is read in a recording, because it is the same for everybody; all else is stars of the same length. */
const PLAIN = [
  "nav",
  "h1",
  "h2",
  ".logo",
  ".slogan",
  "button",
  "label",
  "legend",
  "summary",
  "thead",
  "dt",
  ".connection",
];

/** Where what a page runs must be told beforehand, and a worker counts as that. */
interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL: () => string }): { createScriptURL: (url: string) => string };
}

let recorder: ReturnType<typeof replayIntegration> | undefined;

export function start(): void {
  if (recorder) {
    recorder.startBuffering();
    return;
  }
  recorder = replayIntegration({
    maskAllText: true,
    maskAllInputs: true,
    unmask: PLAIN,
    blockAllMedia: false, // all there is are the drawings of the reels
    stickySession: false, // nothing is kept in the browser
    networkCaptureBodies: false,
    workerUrl: trusted(),
  });
  getClient()?.addIntegration(recorder);
}

/** Ends the recording; what was not sent yet is forgotten. */
export function stop(): void {
  void recorder?.stop({ flush: false });
}

/** The address of what compresses recordings, as the policy of these pages wants it. */
function trusted(): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  return trustedTypes?.createPolicy("replay", { createScriptURL: () => workerUrl }).createScriptURL("") ?? workerUrl;
}
