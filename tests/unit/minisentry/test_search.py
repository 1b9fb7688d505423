"""The subset of Sentry's search language: what it finds, and that anything else is refused."""

import pytest
from reelback_minisentry.query.search import BadQuery, parse, requires

FIELDS = ("release", "environment", "span.status", "transaction", "is_transaction")
ROWS = {
    "a": {"release": "payment@1.4.0", "span.status": "ok", "transaction": "POST /spin", "is_transaction": "true"},
    "b": {
        "release": "payment@1.5.0",
        "span.status": "internal_error",
        "transaction": "Charge",
        "is_transaction": "true",
    },
    "c": {"release": "game@1.4.0", "span.status": "cancelled", "transaction": "", "is_transaction": "false"},
    "d": {"release": "", "span.status": "unknown", "transaction": "a[b]?", "is_transaction": "false"},
}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "abcd"),
        ("release:payment@1.4.0", "a"),
        ("release:[payment@1.4.0,payment@1.5.0]", "ab"),
        ('release:[payment@1.4.0, "game@1.4.0"]', "ac"),
        ("is_transaction:true release:[payment@1.4.0,payment@1.5.0]", "ab"),
        ("!span.status:[ok,cancelled,unknown]", "b"),
        ("status:ok", "a"),
        ('transaction:"POST /spin"', "a"),
        ('!transaction:"POST /spin" is_transaction:true', "b"),
        ("release:payment@*", "ab"),
        ("release:*@1.4.0 OR release:payment@1.5.0", "abc"),
        ("is_transaction:true AND (span.status:ok OR span.status:internal_error)", "ab"),
        ("(release:game@1.4.0)", "c"),
        ("release:game@1.4.0 OR release:payment@1.4.0 span.status:ok", "ac"),
        ("has:release !has:transaction", "c"),
        ('release:""', "d"),
        ('transaction:"a[b]?"', "d"),
        ('transaction:"a[b*"', "d"),
    ],
)
def test_finds(query: str, found: str) -> None:
    wanted = parse(query, FIELDS, {"status": "span.status"})
    rows = {key: {"environment": "", **row} for key, row in ROWS.items()}
    assert "".join(key for key, row in rows.items() if wanted(row)) == found


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("payment", "'payment'"),
        ("release:a some words", "'some words'"),
        ("user.id:7", "unknown key 'user.id'"),
        ("has:user", "unknown key 'user'"),
        ("release:>1.0", "comparisons"),
        ("release:[]", "the list is empty"),
        ("(release:a", "closing bracket is missing"),
        ("release:a)", "closing bracket too many"),
        ("release:a OR", "at the end"),
        ("OR release:a", "before OR"),
        ("release:", "'release:'"),
        ('release:"a', "only key:value"),
        ("(" * 50 + "release:a" + ")" * 50, "too many brackets"),
        ("release:" + "a" * 5000, "longer than"),
    ],
)
def test_refuses(query: str, says: str) -> None:
    with pytest.raises(BadQuery) as refused:
        parse(query, FIELDS)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("query", "required"),
    [
        ("is_transaction:true", True),
        ("release:a is_transaction:true AND (transaction:b OR transaction:c)", True),
        ("", False),
        ("!is_transaction:true", False),
        ("is_transaction:false", False),
        ("is_transaction:true OR release:a", False),
        ("(is_transaction:true OR release:a) release:b", False),
    ],
)
def test_requires(query: str, required: bool) -> None:
    assert requires(query, "is_transaction", "true") is required
