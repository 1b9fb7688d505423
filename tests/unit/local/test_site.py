"""The pages of web and admin are built where they can be, and it is said plainly where not."""

from __future__ import annotations

from pathlib import Path

import pytest
from reelback_local import site


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No build yet, and npm without anything that it once loaded."""
    monkeypatch.setattr(site, "KEPT", tmp_path / "web")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    return tmp_path / "web"


def left(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def test_without_a_network_it_is_said_in_one_line_and_nothing_is_left(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:1")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(site.SiteError, match=r"^npm ci failed: .+") as caught:
        await site.build()
    assert "\n" not in str(caught.value)
    assert site.built() == {}
    assert left(kept) == []


async def test_what_takes_too_long_is_ended(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "INSTALL_SECONDS", 0.05)
    with pytest.raises(site.SiteError, match="longer than"):
        await site.build()
    assert left(kept) == []


async def test_a_build_is_kept_for_its_sources_alone(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "SOURCES", tmp_path / "sources")
    for name in site.SITES:
        (tmp_path / "sources" / name / "app").mkdir(parents=True)
        for file in site._files(name):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(file.name)
    for name in site.SITES:
        (site._folder(name) / "dist").mkdir(parents=True)
    assert site.built().keys() == {"web", "admin"}
    await site.build()
    (tmp_path / "sources" / "web" / "app" / "main.tsx").write_text("another")
    assert site.built().keys() == {"admin"}


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(site, "KEPT", tmp_path / "file" / "web")
    with pytest.raises(site.SiteError, match="file/web"):
        await site.build()
