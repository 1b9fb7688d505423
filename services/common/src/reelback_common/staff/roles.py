"""Who may do what: the one table of roles. Whose they are is told to the user service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum


class May(StrEnum):
    """What only some may do."""

    SEE = "see"
    """Everything of the back office but addresses of mail."""
    CONTACT = "contact"
    """Players' addresses of mail, and who has one."""
    DECIDE_KYC = "decide-kyc"
    DECIDE_MONEY = "decide-money"
    DEBUG = "debug"


TESTER, VIEWER, SUPPORT, FINANCE = "tester", "viewer", "support", "finance"

ROLES: Mapping[str, frozenset[May]] = {
    TESTER: frozenset({May.DEBUG}),
    VIEWER: frozenset({May.SEE}),
    SUPPORT: frozenset({May.SEE, May.CONTACT, May.DECIDE_KYC}),
    FINANCE: frozenset({May.SEE, May.CONTACT, May.DECIDE_MONEY}),
}


def granted(roles: Iterable[str]) -> frozenset[May]:
    """What somebody with these roles may do; a role that is not in the table allows nothing."""
    return frozenset[May]().union(*(ROLES.get(role, frozenset()) for role in roles))
