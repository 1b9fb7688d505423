"""The figures over gRPC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import grpc
from grpc import StatusCode
from pymongo.errors import ConnectionFailure
from reelback.v1 import analytics_pb2, analytics_pb2_grpc
from reelback_common.refusals import refusing
from reelback_common.staff import pages

from reelback_analytics.alerts import Alerts
from reelback_analytics.live import rtp, success_rate
from reelback_analytics.luck import Machine, deviation
from reelback_analytics.paytables import Paytables
from reelback_analytics.report import report
from reelback_analytics.retention import Retention
from reelback_analytics.store import MAX_AGE, Tallies
from reelback_analytics.tally import Play

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

DEFAULT_WINDOW = timedelta(hours=1)


class Invalid(ValueError):
    """A field of a request is out of its bounds; the message begins with the field's name."""


REFUSALS: dict[type[Exception], StatusCode] = {
    Invalid: StatusCode.INVALID_ARGUMENT,
    pages.BadPage: StatusCode.INVALID_ARGUMENT,
}
UNAVAILABLE = (ConnectionFailure,)


class Analytics(analytics_pb2_grpc.AnalyticsServicer):
    """reelback.v1.Analytics on what was counted."""

    def __init__(self, tallies: Tallies, retention: Retention, paytables: Paytables, alerts: Alerts) -> None:
        self._tallies = tallies
        self._retention = retention
        self._paytables = paytables
        self._alerts = alerts

    async def GetReport(self, request: analytics_pb2.GetReportRequest, context: Context) -> analytics_pb2.Report:
        """How the last hours went; `start` is the beginning of the minute in which the window begins."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            found = await report(self._tallies, _window(request), datetime.now(UTC))
        money = found.money
        message = analytics_pb2.Report(
            games=[_game(game, play, self._paytables.machines.get(game)) for game, play in found.games.items()],
            payment_success_rate=success_rate(money),
            payments=money.settled + money.failed + money.declined,
            payments_failed=money.failed,
            payments_declined=money.declined,
            active_sessions=found.active_sessions,
            top_players=[
                analytics_pb2.PlayerReport(player_id=player_id, rounds=play.rounds, bet=play.bet, win=play.win)
                for player_id, play in found.players
            ],
        )
        message.start.FromDatetime(found.start)
        message.end.FromDatetime(found.end)
        return message

    async def GetTotals(self, request: analytics_pb2.GetTotalsRequest, context: Context) -> analytics_pb2.Totals:
        """Everything that was ever counted."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            totals = await self._retention.totals()
        play, money = sum(totals.games.values(), Play()), totals.money
        payments = money.entries + money.declined + money.failed
        return analytics_pb2.Totals(
            events={"bets": play.rounds, "payments": payments, "users": totals.accounts.changes},
            rounds=play.rounds,
            bet=play.bet,
            win=play.win,
            entries=money.entries,
            balance=money.balance,
        )

    async def ListAlerts(self, request: analytics_pb2.ListAlertsRequest, context: Context) -> analytics_pb2.Alerts:
        """What the rules against fraud have raised."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            events, following = await self._alerts.page(request.cursor, pages.checked(request.limit))
        alerts = [
            analytics_pb2.Alert(
                alert_id=event.event_id,
                player_id=event.player_id,
                raised_at=event.occurred_at,
                raised=event.alert_raised,
            )
            for event in events
        ]
        return analytics_pb2.Alerts(alerts=alerts, next=following)


def _window(request: analytics_pb2.GetReportRequest) -> timedelta:
    if not request.HasField("window"):
        return DEFAULT_WINDOW
    seconds = request.window.seconds + request.window.nanos / 10**9
    if not (0 <= request.window.nanos < 10**9 and 0 < seconds <= MAX_AGE.total_seconds()):
        raise Invalid(f"window: must be longer than nothing and at most {MAX_AGE.days} days")
    return timedelta(seconds=seconds)


def _game(game: str, play: Play, machine: Machine | None) -> analytics_pb2.GameReport:
    return analytics_pb2.GameReport(
        game=game,
        rounds=play.rounds,
        rounds_won=play.won,
        bet=play.bet,
        win=play.win,
        rtp=rtp(play),
        theoretical_rtp=machine.theoretical_rtp if machine else None,
        deviation=deviation(play, machine) if machine else None,
    )
