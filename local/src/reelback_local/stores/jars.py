"""The jars of the local stack: pinned by sha256 in lock files without addresses, fetched once and kept.

`python -m reelback_local.stores.jars` writes the locks anew.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

MONGO = Path(__file__).with_name("mongo.lock.toml")
KAFKA = Path(__file__).with_name("kafka.lock.toml")
LOCKED = {
    MONGO: "de.bwaldvogel:mongo-java-server-h2-backend:1.47.0",
    # Kafka's own dependencies hold no logger, and without one a broker that ends does not say why.
    KAFKA: "org.apache.kafka:kafka_2.13:4.1.0+org.slf4j:slf4j-simple:1.7.36",
}
TIMEOUT = 30
"""Seconds without an answer after which a download is given up."""

DOWNLOADS = 4
"""How many jars are downloaded at once."""


class JarError(Exception):
    """A jar that cannot be had, or is not the one that was locked. The message is one line."""


def class_path(lock: Path) -> list[Path]:
    """The locked jars as files of this machine, downloaded where missing. Blocks; raises JarError."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reelback" / "jars"
    jars = tomllib.loads(lock.read_text())["dependencies"]
    with ThreadPoolExecutor(DOWNLOADS) as pool:
        return list(pool.map(lambda jar: _jar(jar, cache), jars))


def _jar(jar: dict[str, Any], cache: Path) -> Path:
    path = cache / f"{jar['artifactId']}-{jar['version']}.jar"
    if not path.exists() or _sha256(path) != jar["sha256"]:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            downloaded = _download(jar, Path(folder))
            if (found := _sha256(downloaded)) != jar["sha256"]:
                raise JarError(f"{path.name} is not the locked one: its sha256 is {found}")
            downloaded.replace(path)
    return path


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _download(jar: dict[str, Any], folder: Path) -> Path:
    # Imported here: a server whose jars are there already does without the HTTP client that jgo brings.
    from jgo.config import GlobalSettings
    from jgo.constants import default_maven_repo
    from jgo.maven import MavenContext

    maven = MavenContext(
        repo_cache=folder,
        local_repos=[default_maven_repo()],
        remote_repos=GlobalSettings.load().repositories or None,
        timeout=TIMEOUT,
    )
    artifact = maven.project(jar["groupId"], jar["artifactId"]).at_version(jar["version"]).artifact()
    try:
        found: Path = artifact.resolve()
        if not found.is_relative_to(folder):  # Maven's own copy stays where it is
            found = Path(folder, found.name)
            found.write_bytes(artifact.resolve().read_bytes())
        return found
    except Exception as error:  # jgo lets errors of its HTTP client and its own pass, without a common class
        raise JarError(f"{artifact.filename} cannot be downloaded: {error}") from error


def write_lock(lock: Path) -> None:
    """Resolve a lock's jars anew, with what they depend on, and write down their versions and sums."""
    import jgo

    resolved = sorted(jgo.resolve(LOCKED[lock]), key=lambda artifact: (artifact.groupId, artifact.artifactId))
    entries = [
        f'[[dependencies]]\ngroupId = "{artifact.groupId}"\nartifactId = "{artifact.artifactId}"\n'
        f'version = "{artifact.version}"\nsha256 = "{_sha256(artifact.resolve())}"\n'
        for artifact in resolved
    ]
    lock.write_text("# Written by python -m reelback_local.stores.jars\n\n" + "\n".join(entries))


if __name__ == "__main__":
    for each in LOCKED:
        write_lock(each)
