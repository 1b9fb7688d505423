import { useRef } from "react";
import { Problem } from "./api/problem";

/**
 * Sends a request that moves money under an id of its own. Sent again after an outcome that nobody knows it keeps its
 * id, so that nothing happens twice; after any other it gets a new one. `what` is what makes it another request.
 */
export function useOnce(): <T>(what: string, send: (requestId: string) => Promise<T>) => Promise<T> {
  const unsure = useRef<{ what: string; id: string }>(undefined);
  return async (what, send) => {
    const id = unsure.current?.what === what ? unsure.current.id : crypto.randomUUID();
    unsure.current = { what, id };
    try {
      const answer = await send(id);
      unsure.current = undefined;
      return answer;
    } catch (error) {
      if (error instanceof Problem && !error.unsure) unsure.current = undefined;
      throw error;
    }
  };
}
