"""What the engine knows of a workload, whatever platform runs it: plain data, no I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# The variable that faults are read from, a JSON object of numbers.
FAULTS_VARIABLE = "REELBACK_FAULTS"
# The variable that tells an instance its release, unless the target names another.
RELEASE_VARIABLE = "SENTRY_RELEASE"
# What a platform gives a change to show progress, where nothing of its own says otherwise.
PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Change:
    """What a release, or a fault in the same release, changes in a workload.

    `release` is the whole Sentry release, `payment@1.5.0`; it becomes the value of the target's `variable`. None leaves
    the release alone, as `image` None does the image; a variable of `env` whose value is None is removed. `references`
    are variables put back as the references that they were (`Template.references`).
    """

    release: str | None = None
    image: str | None = None
    env: Mapping[str, str | None] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Template:
    """What instances are made from: with the number of them, all that tells one state of a workload from another.

    `env` and `references` are the main container's variables: plain values, and those that refer to something else
    (a JSON text each). `rest` is a digest of everything else: other containers, volumes, labels, ...
    """

    image: str | None
    env: Mapping[str, str]
    references: Mapping[str, str] = field(default_factory=dict)
    rest: str = ""

    def changed(self, change: Change, variable: str = RELEASE_VARIABLE) -> Template:
        """The template with a change applied; `variable` carries the release."""
        wanted = {**change.env, **({variable: change.release} if change.release else {})}
        plain = {name: value for name, value in {**self.env, **wanted}.items() if value is not None}
        references = {name: text for name, text in self.references.items() if name not in wanted}
        for name in change.references:
            plain.pop(name, None)
        return Template(change.image or self.image, plain, {**references, **change.references}, self.rest)

    def part(self, variables: Sequence[str], *, image: bool) -> Change:
        """The change that gives another template these variables, and the image if asked for, as they are here."""
        return Change(
            image=self.image if image else None,
            env={name: self.env.get(name) for name in variables if name not in self.references},
            references={name: self.references[name] for name in variables if name in self.references},
        )

    @property
    def digest(self) -> str:
        """The same for the same template, and short enough for a status."""
        parts = [self.image, dict(self.env), dict(self.references), self.rest]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Track:
    """The instances (pods, processes) of one template of a workload.

    `ready` counts the instances of *this* template that serve; one of an earlier template that is still going away is
    in neither number. `problem` is one line when an instance cannot start, crashed, keeps ending or stays unready
    (with its last lines, if the platform has them), else None. `owner` is the scenario that made the track, empty for
    one that nobody's scenario made.
    """

    release: str
    desired: int
    ready: int
    problem: str | None = None
    template: Template = field(default_factory=lambda: Template(None, {}))
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Workload:
    """One target as the platform sees it now.

    `settled` is false while instances of an earlier template still serve, or are not what the stable track asks for.
    `obstacle` says in a few words why no run can begin on it, whatever one waits for ("is paused"); empty if none.
    `patience` is how many seconds a change of it may go without visible progress. `writer` is who last wrote the
    target beside the operator, if the platform knows.
    """

    name: str
    stable: Track
    candidate: Track | None
    settled: bool
    obstacle: str = ""
    patience: float = PATIENCE
    writer: str = ""

    @property
    def env(self) -> Mapping[str, str]:
        """The plain variables of the stable track."""
        return self.stable.template.env
