import type { Member, Person } from "./api/shapes";
import { moment } from "./format";
import { texts } from "./texts";

/** That somebody else had decided the same, as a sentence; undefined for who was first. */
export function before(member: Member, by: Person | undefined, at: Date | undefined): string | undefined {
  if (!by || !at || by.player_id === member.player_id) return undefined;
  return texts.documents.before(by.display_name || by.player_id, moment(at));
}
