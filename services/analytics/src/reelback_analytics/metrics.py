"""The figures as metrics: for Prometheus to fetch, and sent to Sentry."""

from __future__ import annotations

from prometheus_client import Counter, Gauge
from sentry_sdk import metrics as sentry

from reelback_analytics.live import Figures
from reelback_analytics.tally import Play, Tally

CURRENCY = "EUR"
"""Payment's only one; events do not name it."""

EVENTS = Counter("events_total", "Events that were counted, each once", ["topic"])
ROUNDS = Counter("game_rounds_total", "Rounds that were played", ["game"])
BETS = Counter("game_bets_cents_total", "What was bet", ["game"])
WINS = Counter("game_wins_cents_total", "What was won", ["game"])
ALERTS = Counter("fraud_alerts_total", "Alerts that were raised", ["rule"])

RTP = Gauge("game_rtp_ratio", "What was won of what was bet, since the beginning", ["game"])
ROLLING_RTP = Gauge("game_rtp_rolling_ratio", "What was won of what was bet, within five minutes", ["game"])
DEVIATION = Gauge("game_rtp_deviation_standard_errors", "How far the RTP is from the paytable's", ["game"])
ACTIVE_SESSIONS = Gauge("sessions_active", "Players who played within five minutes")
SUCCESS = Gauge("payment_success_ratio", "Settled payments of those that settled or failed", ["window"])


class Meter:
    """Shows what is counted and how things stand.

    Prometheus' counters begin at 0 with the process, as they should; Sentry is told what came since the last time.
    """

    def __init__(self) -> None:
        self._untold: dict[str, Play] = {}

    def count(self, tally: Tally) -> None:
        """One event more."""
        EVENTS.labels(tally.sums.TOPIC).inc()
        if isinstance(tally.sums, Play):
            play, game = tally.sums, tally.game
            ROUNDS.labels(game).inc(play.rounds)
            BETS.labels(game).inc(play.bet)
            WINS.labels(game).inc(play.win)
            self._untold[game] = self._untold.get(game, Play()) + play

    def show(self, figures: Figures) -> None:
        """Everything that is known now. What is not known is not shown: there is no NaN."""
        for game, known in figures.games.items():
            for gauge, value in ((RTP, known.rtp), (ROLLING_RTP, known.rolling_rtp), (DEVIATION, known.deviation)):
                _set(gauge, game, value)
            if known.rtp is not None:
                sentry.gauge("game.rtp", known.rtp, "ratio", {"game": game})
            if known.deviation is not None:
                sentry.gauge("game.rtp.deviation", known.deviation, attributes={"game": game})
        ACTIVE_SESSIONS.set(figures.active_sessions)
        sentry.gauge("sessions.active", figures.active_sessions)
        for window in ("10s", "5m"):
            _set(SUCCESS, window, figures.success.get(window))
        if (rate := figures.success.get("10s")) is not None:
            sentry.gauge("payment.success_rate", rate, "ratio")
        self._tell()

    def _tell(self) -> None:
        for game, play in self._untold.items():
            money = {"game": game, "currency": CURRENCY}
            sentry.count("bets.count", play.rounds, attributes={"game": game})
            sentry.count("bets.volume", play.bet, "cent", money)
            if play.win:
                sentry.count("wins.volume", play.win, "cent", money)
        self._untold.clear()


def _set(gauge: Gauge, label: str, value: float | None) -> None:
    if value is None:
        gauge.remove(label)
    else:
        gauge.labels(label).set(value)
