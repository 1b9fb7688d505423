"""The subset of Sentry's search language that is understood: a query becomes a predicate on rows.

    release:payment@1.5.0   !span.status:[ok,cancelled]   transaction:"POST /spin"   release:payment@*
    has:release   !has:release   (a:1 OR b:2) AND c:3   two terms side by side mean AND   span.duration:>1.5s

In quotes, also those within a list, everything stands for itself but \" (a quote) and * (anything); \\* is a star,
quoted or not. Anything else (free text, comparisons of texts, a key the dataset does not have) raises BadQuery with
what to say to the caller: a filter that is not understood must never be one that lets everything pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping

from reelback_minisentry.store.cells import Row

Predicate = Callable[[Row], bool]

Comparison = Callable[[str, float], Predicate]
"""The predicate of an operator (>, >=, <, <=) and a duration in milliseconds."""

MAX_LENGTH = 4096
MAX_DEPTH = 20

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<open>\() | (?P<close>\)) | (?P<word>AND|OR)(?=[\s()]|$)
      | (?P<not>!?)(?P<key>tags\[[^\]]*\]|[\w.\-]+):(?P<value>
            \[(?:"(?:\\.|[^"\\])*"|[^\]"])*\] | "(?:\\.|[^"\\])*" | [^\s()\[\]"]+)
    )""",
    re.VERBOSE,
)
_TAG = re.compile(r"tags?\[\s*([\w.\-]+)\s*(?:,\s*string\s*)?\]")
_LISTED = re.compile(r'"(?:\\.|[^"\\])*"|[^,]+')
_COMPARISON = re.compile(r"([<>]=?)(.*)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([a-z]*)")
_MILLISECONDS = {
    **dict.fromkeys(("", "ms"), 1),
    "s": 1000,
    **dict.fromkeys(("m", "min"), 60_000),
    **dict.fromkeys(("h", "hr"), 3_600_000),
}
_STAR = re.compile(r"\\([*\\])|(\*)")


class BadQuery(ValueError):
    """A query, field or parameter that is not understood; the text is for the caller."""


def plain(name: str) -> str:
    """The name of a field that may be written as an attribute: tags[game,string] is game."""
    tag = _TAG.fullmatch(name)
    return tag[1] if tag else name


def parse(
    query: str,
    fields: Container[str],
    aliases: Mapping[str, str] | None = None,
    durations: Mapping[str, Comparison] | None = None,
    stars: bool = True,
) -> Predicate:
    """The predicate of a query over rows with these fields. Raises BadQuery.

    `aliases`: other names of fields; `durations`: fields that are compared, not searched for a value; `stars`: whether
    values may have wildcards.
    """
    if len(query) > MAX_LENGTH:
        raise BadQuery(f"query: longer than {MAX_LENGTH} characters")
    return _Parser(query, fields, aliases or {}, durations or {}, stars).whole()


def requires(query: str, key: str, value: str) -> bool:
    """Whether everything that a query finds has this value under a key, as a term of its own says."""
    depth, found = 0, False
    for token in _tokens(query):
        depth += bool(token["open"]) - bool(token["close"])
        if depth == 0 and token["word"] == "OR":
            return False
        found |= depth == 0 and not token["not"] and token["key"] == key and token["value"] == value
    return found


def _tokens(query: str) -> list[re.Match[str]]:
    tokens: list[re.Match[str]] = []
    position = 0
    query = query.rstrip()
    while position < len(query):
        match = _TOKEN.match(query, position)
        if match is None:
            raise BadQuery(f"query: not understood from {query[position:].strip()[:60]!r}; only key:value is")
        tokens.append(match)
        position = match.end()
    return tokens


class _Parser:
    """Recursive descent: any = all (OR all)*; all = term (AND? term)*; term = (any) | [!]key:value."""

    def __init__(
        self,
        query: str,
        fields: Container[str],
        aliases: Mapping[str, str],
        durations: Mapping[str, Comparison],
        stars: bool,
    ) -> None:
        self._fields = fields
        self._aliases = aliases
        self._durations = durations
        self._stars = stars
        self._tokens = _tokens(query)
        self._at = 0
        self._depth = 0

    def whole(self) -> Predicate:
        if not self._tokens:
            return lambda _: True
        found = self._any()
        if self._at < len(self._tokens):
            raise BadQuery("query: a closing bracket too many")
        return found

    def _peek(self) -> str:
        """The kind of the next token: open, close, AND, OR, term, or "" at the end."""
        if self._at == len(self._tokens):
            return ""
        token = self._tokens[self._at]
        return token["word"] or ("open" if token["open"] else "close" if token["close"] else "term")

    def _any(self) -> Predicate:
        parts = [self._all()]
        while self._peek() == "OR":
            self._at += 1
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def _all(self) -> Predicate:
        parts = [self._term()]
        while (kind := self._peek()) in ("AND", "open", "term"):
            self._at += kind == "AND"
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def _term(self) -> Predicate:
        kind = self._peek()
        if kind == "open":
            self._at += 1
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise BadQuery("query: too many brackets")
            inner = self._any()
            if self._peek() != "close":
                raise BadQuery("query: a closing bracket is missing")
            self._at += 1
            self._depth -= 1
            return inner
        if kind != "term":
            raise BadQuery(f"query: a term is missing {'before ' + kind if kind else 'at the end'}")
        token = self._tokens[self._at]
        self._at += 1
        wanted = self._condition(token["key"], token["value"])
        return (lambda row: not wanted(row)) if token["not"] else wanted

    def _condition(self, key: str, value: str) -> Predicate:
        if key == "has":
            field = self._field(_unquoted(value))
            return lambda row: bool(row[field])
        if key in self._durations:
            operator, milliseconds = _compared(key, value)
            return self._durations[key](operator, milliseconds)
        field = self._field(key)
        if value.startswith("["):
            values = [_unquoted(part.strip()) for part in _LISTED.findall(value[1:-1])]
            if not values:
                raise BadQuery(f"query: {key}: the list is empty")
            tests = [self._test(part) for part in values]
            return lambda row: any(test(row[field]) for test in tests)
        if _COMPARISON.match(value):
            raise BadQuery(f"query: {key}: comparisons are of durations only")
        test = self._test(_unquoted(value))
        return lambda row: test(row[field])

    def _test(self, wanted: str) -> Callable[[str], bool]:
        stars = list(_STAR.finditer(wanted))
        if not any(star[2] for star in stars):
            text = wanted.replace("\\*", "*")
            return lambda value: value == text
        if not self._stars:
            raise BadQuery("query: wildcard search is not supported here")
        pattern, at = "", 0
        for star in stars:
            pattern += re.escape(wanted[at : star.start()]) + (".*" if star[2] else re.escape(star[1]))
            at = star.end()
        whole = re.compile(pattern + re.escape(wanted[at:]), re.DOTALL)
        return lambda value: whole.fullmatch(value) is not None

    def _field(self, name: str) -> str:
        field = self._aliases.get(plain(name), plain(name))
        if field not in self._fields:
            raise BadQuery(f"query: unknown key {name!r}")
        return field


def _compared(key: str, value: str) -> tuple[str, float]:
    """The operator and the milliseconds of a comparison with a duration."""
    comparison = _COMPARISON.fullmatch(value)
    duration = comparison and _DURATION.fullmatch(comparison[2])
    if comparison is None or duration is None or duration[2] not in _MILLISECONDS:
        raise BadQuery(f"query: {key}: is compared with a duration, as in {key}:>500ms")
    return comparison[1], float(duration[1]) * _MILLISECONDS[duration[2]]


def _unquoted(value: str) -> str:
    return value[1:-1].replace('\\"', '"') if value.startswith('"') else value
