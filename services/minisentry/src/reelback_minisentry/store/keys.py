"""What stands in Redis, and the bound of each: the one table of keys, lifetimes and caps.

| key below PREFIX                 | what it holds                                           | bound                   |
|----------------------------------|---------------------------------------------------------|-------------------------|
| `<cube>:1:<second>`              | hash: dimensions -> count in that second                | 2 h, WEIGHT[1]          |
| `<cube>:3600:<hour>`             | hash: the same in that hour                             | 30 days, WEIGHT[3600]   |
| `ids:1:<second>`                 | hash: dimensions -> sketch of traces or users           | 2 h, WEIGHT[1]          |
| `metrics:1:<second>`             | hash: metric and attributes -> stats, or count of a bin | 2 h, WEIGHT[1]          |
| `metrics:3600:<hour>`            | hash: the same of that hour                             | 30 days, WEIGHT[3600]   |
| `profiles:1:<second>`            | hash: function and thread -> calls, or microseconds     | 2 h, WEIGHT[1]          |
| `profiles:3600:<hour>`           | hash: the same of that hour                             | 30 days, WEIGHT[3600]   |
| `sids:<hour>:<series>:<outcome>` | set: ids of sessions that went wrong                    | 30 days, WEIGHT[3600]   |
| `users:<hour>:<series>:<outcome>`| HyperLogLog: users of sessions, and of those that did   | 30 days, WEIGHT[3600]   |
| `since:<step>`                   | string: counters of before this time had to go          | 30 days                 |
| `events`                         | zset: error events by their time                        | MAX_EVENTS              |
| `issues`, `issue:<number>`       | zset by the time last seen; hash: the issue             | MAX_ISSUES, ISSUES_BYTES|
| `traces`, `trace:<id>`           | zset by the last write; string: a span or error a line  | MAX_TRACES, TRACES_BYTES|
| `releases`, `release:<version>`  | zset by the time it was made; hash: the release         | MAX_RELEASES            |
| `projects`                       | set: the projects that something came from              | MAX_PROJECTS            |
| `deploys`, `deploy-id`           | zset by the time they were finished; the last id        | MAX_DEPLOYS             |
| `<shelf>`, `<shelf>:<name>`      | zset by the last write; hash: a thing's fields          | the Bounds of the shelf |
| `<shelf>#sizes`, `<shelf>#total` | hash: the bytes of each; string: of all                 | likewise                |
| `filled`                         | string: says that nobody has emptied the store since    | 1                       |

The prefix's number counts the formats: what an older minisentry wrote in another one is left alone, not misread.
Traces with an error are kept ERROR_GRACE longer than the others of their age. All bounds together are below the
352 MB that the Redis of minisentry has.
"""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "minisentry:2:"
SEPARATOR = "\x1f"

SECOND, HOUR = 1, 3600
LIFETIME = {SECOND: 2 * 3600, HOUR: 30 * 86_400}
"""Seconds that a counter of each resolution is kept."""

PROMISED = {SECOND: 2 * 3600, HOUR: 86_400}
"""Seconds back that an answer is the whole, or there is none: counters of before may have had to go."""

MIB = 1024 * 1024

WEIGHT = {SECOND: 96 * MIB, HOUR: 40 * MIB}
"""Bytes of all counters of a resolution: the oldest go. An hour alone stays below, by the bounds that follow."""

FIELDS_BYTES = 4 * MIB
METRICS_BYTES = 256 * 1024
METRIC_SERIES_BYTES = MIB
PROFILES_BYTES = MIB
SESSIONS_BYTES = 16 * 1024
SESSION_IDS_BYTES = 8 * MIB
"""Bytes of names of an hour: fields of counters; metrics by name, release and so on, and with attributes; functions of
profiles by thread; releases and so on that sessions are told apart by, each with up to five HyperLogLogs of 12 kB; ids
of sessions that went wrong.
What is over is counted under OTHER, sessions without their ids."""

BROWSER_SHARE = 0.125
"""The part of these that browsers have, in addition: what they send takes no room from the servers'."""

OTHER = "<< other >>"

MAX_EVENTS = 10_000
MAX_ISSUES = 1_000
MAX_TRACES = 5_000
MAX_RELEASES = 1_000
MAX_DEPLOYS = 1_000
MAX_PROJECTS = 1_000

ISSUES_BYTES = 16 * MIB
TRACES_BYTES = 64 * MIB
TRACE_BYTES = MIB
"""Bytes of all traces, and of one: a trace that has reached it takes no more spans."""

ERROR_GRACE = 3600.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A shelf of things that are kept whole: how many, bytes of one and of all, seconds after the last write."""

    shelf: str
    most: int
    each: int
    total: int
    lifetime: int = LIFETIME[HOUR]


CHUNKS = Bounds("chunks", 48, MIB // 2, 12 * MIB, HOUR)
"""Parts of bundles that are being uploaded, by their checksum."""

BUNDLES = Bounds("bundles", 200, 4096, MIB)
"""What was in bundles, by their checksum."""

ARTIFACTS = Bounds("artifacts", 400, 4 * MIB, 24 * MIB)
"""Scripts with their source maps, compressed, by debug id."""

REPLAYS = Bounds("replays", 500, 128 * 1024, 4 * MIB)
"""What browsers say of replays, by the id of the replay, a field a segment."""

RECORDINGS = Bounds("recordings", 500, 3 * MIB, 24 * MIB)
"""What was recorded, compressed, likewise: it may have to go before what was said of it."""

FEEDBACK = Bounds("feedback", 500, 16 * 1024, MIB)
ATTACHMENTS = Bounds("attachments", 500, 2 * MIB, 8 * MIB)
"""What people say, by its own id, and files by the id of their event."""

EVENTS = PREFIX + "events"
ISSUES, ISSUE = PREFIX + "issues", PREFIX + "issue:"
TRACES, TRACE = PREFIX + "traces", PREFIX + "trace:"
RELEASES, RELEASE = PREFIX + "releases", PREFIX + "release:"
PROJECTS = PREFIX + "projects"
DEPLOYS, DEPLOY_ID = PREFIX + "deploys", PREFIX + "deploy-id"
SINCE = PREFIX + "since:"
FILLED = PREFIX + "filled"


@dataclass(frozen=True, slots=True, eq=False)
class Cube:
    """Counters by dimensions, kept by the hour, and by the second where `finest` says so."""

    name: str
    dimensions: tuple[str, ...]
    finest: int = SECOND

    def key(self, step: int, at: float) -> str:
        """The key of the counters of the step (1 or 3600 s) in which `at` lies."""
        return f"{PREFIX}{self.name}:{step}:{int(at // step) * step}"


_WHERE = ("environment", "project", "release")
SPANS = Cube("spans", (*_WHERE, "transaction", "sample_rate", "span.status", "bin"))
"""Segments only: one a request of a service. The spans inside are kept in their trace, not counted."""

IDS = Cube("ids", (*_WHERE, "span.status", "of"))
"""The traces and users of segments, by the second alone."""

ERRORS = Cube("errors", (*_WHERE, "transaction", "level", "issue.id"))
SESSIONS = Cube("sessions", (*_WHERE, "outcome"), HOUR)
ITEMS = Cube("items", ("type",), HOUR)
DROPS = Cube("drops", ("reason", "category"), HOUR)
METRICS = Cube("metrics", (*_WHERE, "metric.name", "metric.type", "metric.unit", "attributes", "bin"))
"""A field without a bin holds packed stats (metric_stats.py), one with a bin counts its samples, as others do."""

PROFILES = Cube("profiles", (*_WHERE, "function", "package", "is_application", "thread.id", "of"))
"""What functions took: `of` is calls, or microseconds of itself (self) or of what it called (callees). A chunk counts
in the second of its last sample."""


def bucket(key: str) -> tuple[int, int] | None:
    """The resolution and the time of a key of counters; None for any other key."""
    kind, *parts = key.removeprefix(PREFIX).split(":", 3)
    if kind in ("sids", "users"):
        return HOUR, int(parts[0])
    if len(parts) == 2 and parts[0] in ("1", "3600"):
        return int(parts[0]), int(parts[1])
    return None


def series(environment: str, project: str, release: str) -> str:
    """What sessions are told apart by, in the keys of their sets."""
    return SEPARATOR.join((environment, project, release))


def sids(hour_of: float, series: str, outcome: str) -> str:
    """The key of the ids of sessions with an outcome."""
    return f"{PREFIX}sids:{int(hour_of // HOUR) * HOUR}:{series}:{outcome}"


def users(hour_of: float, series: str, outcome: str) -> str:
    """The key of the users of sessions with an outcome; "" is any."""
    return f"{PREFIX}users:{int(hour_of // HOUR) * HOUR}:{series}:{outcome}"
