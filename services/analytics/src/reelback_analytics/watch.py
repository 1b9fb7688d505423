"""Asks the fraud rules after each event, and raises the alerts that come of it."""

from __future__ import annotations

from reelback_common.outbox import Relay

from reelback_analytics import rules
from reelback_analytics.alerts import Alerts
from reelback_analytics.days import Days
from reelback_analytics.metrics import ALERTS
from reelback_analytics.paytables import Paytables
from reelback_analytics.rules import Finding
from reelback_analytics.tally import Money, Play, Sums, Tally


class Watch:
    """An alert is raised once, however often it is found."""

    def __init__(
        self, played: Days[Play], paid: Days[Money], paytables: Paytables, alerts: Alerts, relay: Relay
    ) -> None:
        self._played = played
        self._paid = paid
        self._paytables = paytables
        self._alerts = alerts
        self._relay = relay

    async def look(self, tally: Tally, minute: Sums) -> None:
        """Look at the player of an event, whose minute has come to `minute`. Raises PyMongoError."""
        for finding in await self._findings(tally, minute):
            if alert := await self._alerts.add(finding, tally.player_id, tally.at):
                ALERTS.labels(finding.rule).inc()
                self._relay.offer(alert)

    async def _findings(self, tally: Tally, minute: Sums) -> list[Finding]:
        """Rules are asked about what can only now be so: a lost round makes nobody luckier."""
        found: list[Finding | None] = []
        match tally.sums, minute:
            case Play() as play, Play():
                played = await self._played.with_minute(tally, minute)
                found.append(rules.fast_play(played))
                machine = self._paytables.machines.get(tally.game)
                if play.won and machine:
                    found.append(rules.impossible_luck(played, machine))
            case Money() as money, Money():
                paid = await self._paid.with_minute(tally, minute)
                if money.deposits:
                    found.append(rules.fast_deposits(paid))
                if money.withdrawn > 0:
                    found.append(rules.deposit_and_withdraw(paid))
        return [finding for finding in found if finding]
