"""Where the local stack keeps its files: `.reelback/` in the project's folder."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reelback_local.files import write

PROJECT = Path(__file__).resolve().parents[4]

# sockaddr_un has 108 bytes on Linux and 104 on macOS, with the zero at the end.
LONGEST_SOCKET_PATH = 103


@dataclass(frozen=True, slots=True)
class Home:
    """The folder and what is in it."""

    folder: Path

    @classmethod
    def default(cls) -> Home:
        """REELBACK_HOME, or `.reelback` in the project's folder."""
        return cls(Path(os.environ.get("REELBACK_HOME") or PROJECT / ".reelback").absolute())

    @property
    def socket(self) -> Path:
        """The supervisor's socket. PermissionError when it would be in a folder that is somebody else's.

        When the path here is too long for one it is in the temporary folder, where everybody may make folders.
        """
        path = self.folder / "supervisor.sock"
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            return path
        folder = Path(tempfile.gettempdir(), f"reelback-{os.getuid()}")
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise PermissionError(f"{folder} is not this user's alone: set REELBACK_HOME to a shorter path")
        return folder / f"{hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]}.sock"

    @property
    def lock(self) -> Path:
        """Held by the supervisor while it lives."""
        return self.folder / "supervisor.lock"

    @property
    def run_lock(self) -> Path:
        """Held by the process that plays a scenario."""
        return self.folder / "run.lock"

    @property
    def page(self) -> Path:
        """The report of the last run, or of all that were played together, for a browser."""
        return self.folder / "report.html"

    @property
    def last_run(self) -> Path:
        """The last scenario and its status."""
        return self.folder / "last-run.json"

    def log(self, name: str) -> Path:
        """What a process wrote to stdout and stderr."""
        return self.folder / "log" / f"{name}.log"

    def data(self, store: str) -> Path:
        """What a store keeps."""
        return self.folder / "data" / store

    def release(self, name: str) -> Path:
        """The patched sources of a release."""
        return self.folder / "releases" / name

    def endpoints(self, service: str) -> Path:
        """The addresses of a service, one `host:port` a line."""
        return self.folder / "endpoints" / service

    def create(self) -> None:
        """Make the folders, for this user alone."""
        for folder in (self.folder, self.folder / "log", self.folder / "data", self.folder / "endpoints"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def password(self, store: str) -> str:
        """What this store asks for."""
        name = f"{store.upper().replace('-', '_')}_PASSWORD"
        return self.secrets([name])[name]

    def secrets(self, names: Iterable[str]) -> dict[str, str]:
        """The secrets of these names: made up the first time, kept for the next."""
        file = self.folder / "secrets.json"
        kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        # Hexadecimal: in the public key of a DSN Sentry's SDK for browsers takes no dash.
        wanted = {name: kept.get(name) or secrets.token_hex(32) for name in names}
        if not wanted.items() <= kept.items():
            write(file, json.dumps(kept | wanted, indent=1))
        return wanted
