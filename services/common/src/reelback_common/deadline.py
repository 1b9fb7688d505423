"""How long a call that is made for another one may take."""

from __future__ import annotations

from contextvars import ContextVar

deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
"""When the call that is being answered must have ended, on the event loop's clock; calls made for it end by then."""
