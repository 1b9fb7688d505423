"""The kinds of values in a scenario: how they are written, and what is said when they are wrong."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")

_SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")


def _read_duration(value: object) -> object:
    if isinstance(value, float):  # a model built in Python
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"must be a duration like 500ms, 2s or 3m, not {value!r}")
    return float(match[1]) * _SECONDS[match[2]]


def _write_duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms" if seconds % 1 else f"{round(seconds)}s"


def _dns_label(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", value):
        raise ValueError(f"must be a name of lower-case letters, digits and '-', not {value!r}")
    return value


def _variable(name: str) -> str:
    if name == "SENTRY_RELEASE":
        raise ValueError("must not set SENTRY_RELEASE, which follows from the version")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name):
        raise ValueError(f"must be the name of a variable, not {name!r}")
    return name


def _plain(text: str) -> str:
    """The value of a variable as it stands: `$(NAME)` would put another one into it, a secret too."""
    if "$(" in text:
        raise ValueError("must not hold $(, which refers to another variable")
    return text


def _version(value: str) -> str:
    # Sentry's "resolved in the next release" needs releases of the form service@semver.
    if len(value) > 100 or not _SEMVER.fullmatch(value):
        raise ValueError(f"must be a semantic version like 1.5.0, not {value!r}")
    return value


def _fault_key(key: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", key):
        raise ValueError(f"must be the key of a fault like payment.charge.error_rate, not {key!r}")
    return key


def _metric_name(name: str) -> str:
    # It becomes an argument in a query: nothing that could end it.
    if len(name) > 200 or not re.fullmatch(r"[A-Za-z0-9_./-]+", name):
        raise ValueError(f"must be the name of a metric like payment.success_rate, not {name!r}")
    return name


def _unit(name: str) -> str:
    if len(name) > 64 or not re.fullmatch(r"[A-Za-z0-9_]+", name):
        raise ValueError(f"must be a unit like ratio or cent, not {name!r}")
    return name


def _tag_name(name: str) -> str:
    # It becomes a key in a query: nothing that could end it.
    if len(name) > 200 or not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise ValueError(f"must be the name of a tag like business.operation, not {name!r}")
    return name


Duration = Annotated[
    float, BeforeValidator(_read_duration), Field(gt=0), PlainSerializer(_write_duration, return_type=str)
]
Name = Annotated[str, AfterValidator(_dns_label)]
Version = Annotated[str, AfterValidator(_version)]
Variable = Annotated[str, AfterValidator(_variable)]
Value = Annotated[str, AfterValidator(_plain)]
Decimal = Annotated[float, Field(allow_inf_nan=False)]
FaultKey = Annotated[str, AfterValidator(_fault_key)]
MetricName = Annotated[str, AfterValidator(_metric_name)]
TagName = Annotated[str, AfterValidator(_tag_name)]
Unit = Annotated[str, AfterValidator(_unit)]
