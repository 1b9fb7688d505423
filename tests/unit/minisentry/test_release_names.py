"""The order of releases of one package."""

from reelback_minisentry import release_names


def test_order() -> None:
    rising = [
        "payment@main",
        "payment@0.9.0",
        "payment@1.0.0-alpha",
        "payment@1.0.0-alpha.1",
        "payment@1.0.0-alpha.2",
        "payment@1.0.0-alpha.10",
        "payment@1.0.0-beta",
        "payment@1.0.0",
        "payment@1.2",
        "payment@1.9.0",
        "payment@1.10.0",
        "payment@2026.11.23",
    ]
    assert sorted(set(rising), key=release_names.order) == rising


def test_info() -> None:
    info = release_names.info("payment@1.5.0-rc.1+abc")
    assert info["package"] == "payment"
    assert info["version"] == {
        "raw": "1.5.0-rc.1+abc",
        "major": 1,
        "minor": 5,
        "patch": 0,
        "pre": "rc.1",
        "buildCode": "abc",
        "components": 3,
    }
    assert release_names.info("deadbeef") == {
        "package": None,
        "version": {"raw": "deadbeef"},
        "description": "deadbeef",
        "buildHash": "deadbeef",
    }
