"""The stack as it is now: what the supervisor tells over its socket, and what `reelback status` reads."""

from __future__ import annotations

from pydantic import BaseModel


class Process(BaseModel):
    """One process of the stack; `problem` and `note` are one line each."""

    name: str
    release: str
    state: str
    pid: int | None
    port: int | None
    restarts: int
    problem: str | None
    note: str


class StackStatus(BaseModel):
    """`pid` is the supervisor's; `environment` is Sentry's.

    `web`, `admin`, `gateway`, `minisentry` and `mailbox` are URLs, or None when they are not part of the stack;
    `own_stores` are the stores that it was given the address of.
    """

    pid: int
    state: str
    environment: str
    web: str | None
    admin: str | None
    gateway: str
    minisentry: str | None
    mailbox: str | None
    own_stores: list[str]
    processes: list[Process]
