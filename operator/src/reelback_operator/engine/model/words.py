"""Figures as a status says them."""

from __future__ import annotations

from reelback_operator.engine.model.status import Counts


def share(counts: Counts) -> str:
    """24.1 %, of nothing 0.0 %."""
    return percent(counts.failures / max(counts.requests, 1))


def rate(counts: Counts) -> str:
    """24.1 % (39/162)."""
    return f"{share(counts)} ({counts.failures}/{counts.requests})"


def number(value: float) -> str:
    """1000, 32, 0.05, 4.1e3: two digits that count are enough."""
    if value == round(value) and value < 1e5:
        return f"{value:.0f}"
    if value < 100:
        return f"{value:.2g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def figure(value: float, unit: str | None) -> str:
    """0.973 of a ratio, 1.25 cent, 123457 cent."""
    digits = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return digits if unit in (None, "ratio") else f"{digits} {unit}"


def percent(share: float) -> str:
    """24.1 %."""
    return f"{100 * share:.1f} %"


def milliseconds(seconds: float) -> str:
    """480 ms."""
    return f"{1000 * seconds:.0f} ms"
