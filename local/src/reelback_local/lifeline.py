"""What passes between a supervisor and the process that started it."""

from __future__ import annotations

from pydantic import BaseModel

STAY = b"stay"
"""Written to the supervisor's stdin before it is closed: the stack shall outlive who started it."""


class Progress(BaseModel):
    """One line on the supervisor's stdout while it starts: a process's state, or how it came out."""

    process: str = ""
    state: str = ""
    note: str = ""
    ready: bool = False
    running: bool = False
    error: str = ""
