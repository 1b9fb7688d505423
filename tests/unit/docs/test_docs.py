"""The pages say true things: links lead somewhere, and every command in a `sh` block exists as written."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml
from redis.asyncio import Redis
from reelback_minisentry import api
from reelback_minisentry.artifacts import bundle
from reelback_minisentry.artifacts.source_maps import SourceMaps
from reelback_minisentry.artifacts.stacks import Stacks
from reelback_minisentry.ingest import envelope_items, kept_items, public_keys, replay_segments
from reelback_minisentry.project_names import ProjectNames
from reelback_minisentry.replays.archive import Archive
from reelback_minisentry.store import keys
from reelback_telemetry import context

from bench import library
from docs import reference

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Tools of others: their commands run in tests/cluster; here only the files they name are looked at.
OTHERS = {"skaffold", "kubectl", "kind", "helm", "sentry-cli"}

MAKE_TARGETS = set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
            found += [(page.name, line) for line in block.splitlines() if line and not line.startswith("#")]
        found += [(page.name, code) for code in re.findall(r"`((?:make|\.venv/bin/reelback) [^`]+)`", page.read_text())]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)", page.read_text()) if not t.startswith("http")]
    assert [t for t in targets if not (page.parent / t).exists()] == []


@cache
def _helps(command: str) -> bool:
    """Whether `reelback` has such a command."""
    command_line = [str(Path(sys.executable).with_name("reelback")), command, "--help"]
    return subprocess.run(command_line, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(("page", "command"), _commands())
def test_commands_exist(page: str, command: str) -> None:
    words = shlex.split(command)
    settings = [word for word in words if re.match(r"[A-Z_]+=", word)]
    tool, *arguments = [word for word in words if word not in settings]
    if tool == "make":
        assert set(arguments) <= MAKE_TARGETS
    elif tool == ".venv/bin/reelback":
        assert _helps(arguments[0]), f"{page}: reelback knows no {arguments[0]!r}"
    else:
        assert tool in OTHERS, f"{page}: nothing runs {command!r}"
    values = [*arguments, *(setting.partition("=")[2] for setting in settings)]
    assert [value for value in values if value.endswith(".yaml") and not (ROOT / value).exists()] == []


def test_the_api_reference_is_that_of_the_code() -> None:
    assert reference.PAGE.read_text() == reference.page(), "run make docs"


def test_the_metrics_in_the_conventions_are_those_that_services_send() -> None:
    table = (ROOT / "docs/telemetry-conventions.md").read_text().partition("## Metrics")[2]
    named = dict(re.findall(r"^\| `([\w.]+)` \| (\w+) \|", table, re.MULTILINE))
    sources = [
        file.read_text() for file in ROOT.glob("services/*/src/**/*.py") if "reelback_minisentry" not in file.parts
    ]
    sent = {
        name: {"count": "counter", "Counts": "counter"}.get(kind, kind)
        for source in sources
        for kind, name in re.findall(
            r"(?:(?:sentry|metrics)\.(?=gauge|count|dist)|(?=Counts))(\w+)\(\s*\"([\w.]+)\"", source
        )
    }
    assert named == sent


def test_the_tags_operations_and_breadcrumbs_in_the_conventions_are_those_of_the_code() -> None:
    page = (ROOT / "docs/telemetry-conventions.md").read_text()
    tags = page.partition("## Tags")[2].partition("## Metrics")[0]
    for name in (context.TIER, context.ACCOUNT_AGE, context.BALANCE, context.GAME, context.FEATURE):
        assert f"`{name}`" in tags
    sources = "".join(file.read_text() for file in ROOT.glob("services/*/src/**/*.py"))
    spans = next(line for line in page.splitlines() if line.startswith("| an operation of the business"))
    operations = set(re.findall(r'@tag_business_operation\("([\w-]+)"\)', sources))
    assert operations == set(re.findall(r"`([\w-]+)`", spans))
    crumbs = re.findall(r"^\| (`.+?`) \|", page.partition("## Breadcrumbs")[2], re.MULTILINE)
    named = {name.strip("` ") for row in crumbs for name in row.split(",")}
    assert named == set(re.findall(r'add_breadcrumb\(\s*category="(\w+)"', sources))
    assert set(re.findall(r'track_feature_usage\("(\w+)"', sources)) <= set(re.findall(r"`(\w+)`", page))


def test_the_retention_that_is_stated_is_that_of_minisentry() -> None:
    page = (ROOT / "docs/security.md").read_text().partition("## What telemetry knows")[2].partition("\n## ")[0]
    kept = re.findall(r"^\| .+ \| (.+) \|$", page, re.MULTILINE)[1:]
    shelves = (keys.RECORDINGS, keys.FEEDBACK, keys.ATTACHMENTS)
    assert kept == [
        f"{keys.LIFETIME[keys.SECOND] // 3600} hours",
        f"{keys.LIFETIME[keys.HOUR] // 86_400} days",
        f"the newest {keys.MAX_EVENTS:,}",
        f"the {keys.MAX_ISSUES:,} that were seen last",
        f"the {keys.MAX_TRACES:,} that were written last",
        *(f"{each.lifetime // 86_400} days, the last {each.most}" for each in shelves),
    ]


def test_what_minisentry_takes_and_answers_is_what_its_page_says() -> None:
    page = (ROOT / "docs/minisentry.md").read_text()
    redis = Redis()
    routes = api.routes(redis, Archive(redis), Stacks(SourceMaps(redis)), ProjectNames({}), "")
    answered = {
        f"{method} {route.path.removeprefix('/api/0')}"
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert set(re.findall(r"^\| `((?:GET|PUT|POST) [^`]+)` \|", page, re.MULTILINE)) == answered
    items = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", page.partition("| item |")[2].partition("\n\n")[0], re.MULTILINE)
    assert {name for row in items for name in re.findall(r"`(\w+)`", row)} == envelope_items.COUNTED
    projects = re.findall(r"^\| (\d) \| `(\w+)` \|", page, re.MULTILINE)
    assert dict(projects) == {"1": "reelback", **public_keys.BROWSER_PROJECTS}


def test_the_bounds_of_what_is_kept_whole_are_those_that_are_stated() -> None:
    page = " ".join((ROOT / "docs/minisentry.md").read_text().split())
    mib = 1024 * 1024
    assert f"a replay {keys.RECORDINGS.each // mib} MiB as it came" in page
    assert f"a segment {replay_segments.MAX_UNPACKED // mib} MiB unpacked" in page
    assert f"all of them {keys.RECORDINGS.total // mib} MiB" in page
    assert f"{kept_items.MAX_MESSAGE:,} characters, {keys.FEEDBACK.most} of them" in page
    assert f"an event's {keys.ATTACHMENTS.each // mib} MiB, all of them {keys.ATTACHMENTS.total // mib} MiB" in page
    assert f"A bundle has at most {bundle.MAX_BUNDLE // mib} MiB" in page
    assert f"keep {keys.ARTIFACTS.total // mib} MiB, compressed" in page


def test_the_costs_of_the_library_that_are_stated_are_those_that_are_measured() -> None:
    page = (ROOT / "services/telemetry/README.md").read_text().partition("## What it costs")[2]
    stated = re.findall(r"^\| `?([^`|]+?)`? \| [\d.]+ \|$", page, re.MULTILINE)
    assert stated == [name.strip("()") for name in library.calls()]


def test_ports_in_the_readme_are_those_of_the_chart() -> None:
    services = yaml.safe_load((ROOT / "charts/reelback/values.yaml").read_text())["services"]
    ports = {str(service["port"]) for service in services.values()}
    named = set(re.findall(r"http://127\.0\.0\.1:(\d+)", (ROOT / "README.md").read_text()))
    assert named <= ports
