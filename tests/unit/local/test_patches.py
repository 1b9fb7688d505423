"""The releases that are truly bad: each patch fits the sources, fails as its scenario says, and is told of truly."""

from __future__ import annotations

import email
import email.utils
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from reelback_local.layout.home import Home
from reelback_local.patches import BadPatch, apply
from reelback_local.processes.images import PATCHES, Images, NoImage

ROOT = Path(__file__).parents[3]
REAL = sorted(PATCHES.glob("*.patch"))
SCENARIO = yaml.safe_load((ROOT / "scenarios/scenario-real-bug.yaml").read_text())

TEXT = "".join(f"line {number}\n" for number in range(1, 31))
PATCH = """\
--- a/services/payment/src/pay/bets.py
+++ b/services/payment/src/pay/bets.py
@@ -2,3 +2,4 @@ def above():
 line 2
-line 3
+line three
+line three and a half
 line 4
@@ -20 +21 @@
-line 20
+line twenty
"""
SIGNATURE = "-- \n2.50.1\n"  # begins as a line that goes away does

# Which stakes of the players fail, and how; the modules are those of PYTHONPATH.
PLAY = """
import json
from datetime import UTC, datetime
from reelback_loadgen.player import DEPOSIT, STAKES
from reelback_game.slots import CLASSIC
from reelback_payment import wallet

failed = {}
for stake in STAKES:
    bet = stake * len(CLASSIC.lines)
    move = wallet.Move("r", "p", wallet.Kind.BET, bet)
    try:
        wallet.decide(wallet.Wallet("p", DEPOSIT), move, datetime.now(UTC), {})
    except Exception as error:
        failed[bet] = type(error).__name__
print(json.dumps({"failed": failed, "share": len(failed) / len(STAKES)}))
"""


def sources(folder: Path, service: str = "payment") -> Path:
    """A copy of a service's sources, where a repository has them."""
    copy = folder / "services" / service / "src"
    shutil.copytree(ROOT / "services" / service / "src", copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def texts(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    (tmp_path / "pay").mkdir()
    (tmp_path / "pay/bets.py").write_text(TEXT)
    return tmp_path


def patch(folder: Path, text: str) -> Path:
    file = folder / "toy.patch"
    file.write_text(text + SIGNATURE)
    return file


def header(file: Path) -> Any:
    """The mail that `git format-patch` makes of a commit, without what was changed."""
    return email.message_from_string(file.read_text().partition("\n")[2].partition("\n---\n")[0])


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git to compare with")
@pytest.mark.parametrize("real", REAL, ids=lambda file: file.stem)
def test_a_patch_does_what_git_does_with_it(real: Path, tmp_path: Path) -> None:
    service = real.stem.partition("-")[0]
    ours, gits = sources(tmp_path / "ours", service), sources(tmp_path / "gits", service)
    apply(real, service, ours)
    subprocess.run(["git", "apply", "--whitespace=error", str(real)], cwd=tmp_path / "gits", check=True)
    assert texts(ours) == texts(gits) != texts(ROOT / "services" / service / "src")


def test_hunks_after_each_other(toy: Path) -> None:
    apply(patch(toy, PATCH), "payment", toy)
    wanted = TEXT.replace("line 3\n", "line three\nline three and a half\n").replace("line 20\n", "line twenty\n")
    assert (toy / "pay/bets.py").read_text() == wanted


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (" line 2\n", " line two\n", "bets.py is not what it was at line 2"),
        ("@@ -2,3", "@@ -3,3", "bets.py is not what it was at line 3"),
        ("-line 20\n", "-line 21\n", "bets.py is not what it was at line 20"),
        ("-line 20\n+line twenty\n", "", "bets.py is not what it was at line 20"),
        ("pay/bets.py", "pay/wins.py", "there is no services/payment/src/pay/wins.py"),
        ("services/payment", "services/game", "only files below services/payment/src/ are changed"),
        ("src/pay", "src/../pay", "only files below services/payment/src/ are changed"),
        ("--- a/services/payment/src/pay/bets.py", "--- /dev/null", "only files below services/payment/src/"),
        (PATCH, "Subject: nothing\n", "changes nothing"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(toy: Path, before: str, after: str, message: str) -> None:
    with pytest.raises(BadPatch, match=re.escape(message)):
        apply(patch(toy, PATCH.replace(before, after)), "payment", toy)
    assert (toy / "pay/bets.py").read_text() == TEXT


def test_the_command_of_the_images_build(toy: Path) -> None:
    command = [sys.executable, str(ROOT / "local/src/reelback_local/patches.py"), str(patch(toy, PATCH)), "payment"]
    good = subprocess.run([*command, str(toy)], capture_output=True, text=True, check=False)
    again = subprocess.run([*command, str(toy)], capture_output=True, text=True, check=False)
    assert (good.returncode, again.returncode) == (0, 1)
    assert again.stderr == "toy.patch: bets.py is not what it was at line 2\n"


def test_the_bug_fails_a_share_of_the_players_spins(tmp_path: Path) -> None:
    Home(tmp_path).create()
    patched = Images(Home(tmp_path), "payment", "1.4.0").sources(SCENARIO["spec"]["release"]["patch"]["image"])

    def played(**more: str) -> dict[str, Any]:
        run = subprocess.run(
            [sys.executable, "-c", PLAY], env={**os.environ, **more}, capture_output=True, text=True, check=True
        )
        found: dict[str, Any] = json.loads(run.stdout)
        return found

    assert played() == {"failed": {}, "share": 0}
    assert played(PYTHONPATH=str(patched)) == {"failed": {"50": "IndexError"}, "share": 0.25}


def test_an_image_is_made_anew_once_a_stack(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    images = Images(home, "payment", "1.4.0")
    assert images.sources("payment:1.4.0") is None
    folder = images.sources("payment:1.5.1")
    assert folder == home.release("payment-1.5.1")
    (folder / "reelback_payment/limits.py").write_text("somebody's")
    assert images.sources("payment:1.5.1") == folder
    assert (folder / "reelback_payment/limits.py").read_text() == "somebody's"
    Images(home, "payment", "1.4.0").sources("payment:1.5.1")
    assert "SHARES[bisect(STEPS, amount)]" in (folder / "reelback_payment/limits.py").read_text()


@pytest.mark.parametrize(
    "image",
    ["payment:9.9.9", "game:1.5.1", "payment", "payment:", "elsewhere.example/payment:1.5.1", "payment:../x", ":1.5.1"],
)
def test_an_image_without_a_patch_is_refused_by_its_name(tmp_path: Path, image: str) -> None:
    with pytest.raises(NoImage) as caught:
        Images(Home(tmp_path), "payment", "1.4.0").sources(image)
    assert str(caught.value) == f"image: {image} is not payment:1.4.0, and releases/ has no patch that makes it"


def test_a_service_runs_no_image_of_another(tmp_path: Path) -> None:
    with pytest.raises(NoImage, match=re.escape("image: payment:1.5.1 is not game:1.4.0")):
        Images(Home(tmp_path), "game", "1.4.0").sources("payment:1.5.1")


def test_the_scenario_tells_of_the_patch_what_its_header_says() -> None:
    release = SCENARIO["spec"]["release"]
    [target] = release["targets"]
    file = PATCHES / f"{target['name']}-{release['version']}.patch"
    mail, text = header(file), file.read_text()
    name, address = email.utils.parseaddr(mail["From"])
    title = mail["Subject"].removeprefix("[PATCH] ")
    assert release["commits"] == [
        {
            "id": text.split()[1],
            "author": name,
            "email": address,
            "message": f"{title}\n\n{mail.get_payload().strip()}",
            "files": re.findall(r"^--- a/(.*)$", text, re.MULTILINE),
        }
    ]
    assert address.endswith(".example")
    assert release["patch"] == {"image": f"{target['name']}:{release['version']}"}
