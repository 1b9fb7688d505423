"""What is done with an event."""

from __future__ import annotations

from pymongo.errors import PyMongoError
from reelback.v1 import events_pb2
from reelback_common.consumer import Poison

from reelback_analytics.live import Live
from reelback_analytics.metrics import Meter
from reelback_analytics.store import Tallies
from reelback_analytics.tally import Unreadable, read
from reelback_analytics.watch import Watch


class Intake:
    """Counts events, each once, and looks at the player of each."""

    def __init__(self, tallies: Tallies, watch: Watch, live: Live, meter: Meter) -> None:
        self._tallies = tallies
        self._watch = watch
        self._live = live
        self._meter = meter
        self._unanswered: set[str] = set()

    async def handle(self, event: events_pb2.Event) -> None:
        """Raises Poison for an event that cannot be counted, and PyMongoError when the store does not answer."""
        try:
            tally = read(event)
            counted = await self._tallies.count(tally)
        except Unreadable as error:
            raise Poison(str(error)) from None
        except PyMongoError:
            # The store may have counted it, and only its answer is lost: then it will say that it knows the event.
            self._unanswered.add(event.event_id)
            raise
        if counted.fresh or event.event_id in self._unanswered:
            self._unanswered.discard(event.event_id)
            self._live.count(tally)
            self._meter.count(tally)
        # A copy, too: whoever counted the event first may have ended before this.
        await self._watch.look(tally, counted.minute)
