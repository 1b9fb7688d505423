"""The names that people give to projects, and by them to issues."""

from __future__ import annotations

from collections.abc import Mapping

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class ProjectNames:
    """Names (slugs) by the ids that stand in DSNs; a project without a name is called by its id."""

    def __init__(self, slugs: Mapping[str, str]) -> None:
        self.slugs = slugs
        self._ids = {slug: id_ for id_, slug in slugs.items()}

    def slug(self, project: str) -> str:
        """The name of a project."""
        return self.slugs.get(project, project)

    def id_of(self, name: str) -> str:
        """The id of a project that is named by its id or its slug."""
        return self._ids.get(name, name)

    def short_id(self, project: str, number: int) -> str:
        """WEB-4F9K2: made of the issue's number, so that it needs no counter."""
        digits = ""
        while number:
            number, digit = divmod(number, 32)
            digits = _DIGITS[digit] + digits
        return f"{self.slug(project)}-{digits}".upper()
