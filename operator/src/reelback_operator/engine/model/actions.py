"""What the engine asks to be done. Every action says what shall be true: carrying it out twice changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reelback_operator.engine.model.spec import Commit, Target
from reelback_operator.engine.model.workload import Change


@dataclass(frozen=True, slots=True)
class Claim:
    """Make the targets this run's alone, one after the other: of two runs that want the same ones, one gets on."""

    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Leave the targets to others again: the claim, and the fields that were changed."""

    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class SetCandidate:
    """Run `replicas` instances of the target with `change`, beside the stable ones."""

    target: Target
    change: Change
    replicas: int


@dataclass(frozen=True, slots=True)
class RemoveCandidate:
    """End the candidate of the target."""

    target: Target


@dataclass(frozen=True, slots=True)
class SetStable:
    """Change the target itself."""

    target: Target
    change: Change


@dataclass(frozen=True, slots=True)
class PutBack:
    """Give the target's variables of these names, and its image if asked for, what they had in the template with the
    digest `before`."""

    target: Target
    before: str
    variables: tuple[str, ...]
    image: bool


@dataclass(frozen=True, slots=True)
class SetLoad:
    """Run players that send `rps` requests a second, and beside them so many that play in a browser.

    `playing` is how many of these there are, once it was carried out: none where there is no browser.
    """

    rps: float
    browsers: int = 0
    playing: int = 0


@dataclass(frozen=True, slots=True)
class RemoveLoad:
    """End the players."""


@dataclass(frozen=True, slots=True)
class MarkRelease:
    """Make the release and its commits known to Sentry, in the project with this slug or the operator's own."""

    release: str
    project: str | None = None
    commits: tuple[Commit, ...] = ()


@dataclass(frozen=True, slots=True)
class MarkDeploy:
    """Make a deploy of the release known to Sentry; `name`, at most 64 characters, and `finished` tell it apart."""

    release: str
    name: str
    started: datetime
    finished: datetime
    project: str | None = None

    @property
    def label(self) -> str:
        """How the status calls it."""
        return f"{self.release}: {self.name}"


Action = (
    Claim
    | GiveBack
    | SetCandidate
    | RemoveCandidate
    | SetStable
    | PutBack
    | SetLoad
    | RemoveLoad
    | MarkRelease
    | MarkDeploy
)
