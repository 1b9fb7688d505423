"""Artifact bundles as sentry-cli uploads them, and stack traces of scripts read by them."""

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from tests.unit.minisentry.conftest import ORG, RECORDED, TOKEN, Server, just_now

BUNDLE = (RECORDED / "web.bundle").read_bytes()
ERROR = just_now((RECORDED / "error.envelope").read_bytes())
DEBUG_ID = "a683e23e-5b1c-52c9-82a8-b38d9d8eb822"
MIB = 1024 * 1024


def sha1(raw: bytes) -> str:
    return hashlib.sha1(raw, usedforsecurity=False).hexdigest()


def upload_chunk(server: Server, name: str, part: bytes) -> Any:
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "multipart/form-data; boundary=x"}
    return server.http.post(f"{ORG}/chunk-upload/", content=head + part + b"\r\n--x--\r\n", headers=headers)


def upload(server: Server, raw: bytes) -> Any:
    """As sentry-cli does it: ask how, ask what is missing, send that, ask what became of it."""
    size = server.ask("/chunk-upload/")["chunkSize"]
    chunks = [raw[at : at + size] for at in range(0, len(raw), size)]
    asked = {"checksum": sha1(raw), "chunks": [sha1(chunk) for chunk in chunks], "projects": ["web"]}
    state = server.call("POST", "/artifactbundle/assemble/", json=asked).json()
    for chunk in chunks:
        if sha1(chunk) in state["missingChunks"]:
            assert upload_chunk(server, sha1(chunk), chunk).status_code == 200
    return server.call("POST", "/artifactbundle/assemble/", json=asked).json()


def archive(files: Mapping[str, bytes], manifest: Any = None) -> bytes:
    """A bundle with these files, each a source map with a debug id when the manifest does not say otherwise."""
    about = {"type": "source_map", "headers": {"Debug-Id": DEBUG_ID}}
    out = io.BytesIO(b"SYSB\x02\x00\x00\x00")
    out.seek(8)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
        said = {"files": dict.fromkeys(files, about)} if manifest is None else manifest
        zipped.writestr("manifest.json", orjson.dumps(said))
    return out.getvalue()


def issue_of(server: Server, kind: str) -> Any:
    """The one issue of this type of error."""
    [found] = [issue for issue in server.ask("/issues/", query="") if issue["metadata"].get("type") == kind]
    return found


def latest(server: Server, kind: str) -> Any:
    return server.ask(f"/issues/{issue_of(server, kind)['id']}/events/latest/")


def stack(event: Any, name: str = "stacktrace") -> list[Any]:
    frames: list[Any] = event["entries"][0]["data"]["values"][-1][name]["frames"]
    return frames


def thrown(kind: str, build: str = "KM1BXUOo", function: str = "e", debug_id: str = DEBUG_ID) -> bytes:
    """The recorded error as one of another type, of a build with other names for files and functions."""
    body = ERROR.replace(b"TypeError", kind.encode()).replace(b"KM1BXUOo", build.encode())
    body = body.replace(
        b'spin-%s.js","function":"e"' % build.encode(),
        b'spin-%s.js","function":"%s"' % (build.encode(), function.encode()),
    )
    return body.replace(DEBUG_ID.encode(), debug_id.encode())


def test_a_script_is_read_by_its_map(fresh: Server) -> None:
    assert upload(fresh, BUNDLE) == {"state": "ok", "missingChunks": [], "detail": None}
    assert fresh.browsers(thrown("Read")).status_code == 200

    event = latest(fresh, "Read")
    pay_out, spin, *_ = reversed(stack(event))
    assert (pay_out["filename"], pay_out["function"], pay_out["lineNo"]) == ("src/spin.ts", "payOut", 5)
    assert (spin["filename"], spin["function"], spin["lineNo"]) == ("src/spin.ts", "spin", 13)
    assert dict(pay_out["context"])[5] == "  for (const line of round.lines as { win: number }[]) {"
    assert [number for number, _ in pay_out["context"]] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    raw = stack(event, "rawStacktrace")[-1]
    assert (raw["function"], raw["filename"][-16:]) == ("e", "spin-KM1BXUOo.js")
    assert event["metadata"]["filename"] == "src/spin.ts"

    # The other script of the page was not uploaded: its frames are as they came, and it says why.
    assert "index-C3SIT8l5.js" in stack(event)[0]["filename"]
    assert [problem["message"][:37] for problem in event["errors"]] == ["c684190a-f5db-5533-8d94-4caca32a6a4b:"]
    page = fresh.http.get(f"/board/data/issues/{event['groupID']}").json()
    assert stack(page["event"])[-1]["function"] == "payOut"


def test_another_build_makes_no_new_issue(fresh: Server) -> None:
    upload(fresh, BUNDLE)
    for build, function in (("AAAAAAAA", "q"), ("BBBBBBBB", "zz")):
        assert fresh.browsers(thrown("BuiltTwice", build, function)).status_code == 200
    assert issue_of(fresh, "BuiltTwice")["count"] == "2"


def test_an_error_that_came_before_its_map_is_read_afterwards(own: Server) -> None:
    assert own.browsers(thrown("Early")).status_code == 200
    before = latest(own, "Early")
    assert stack(before)[-1]["function"] == "e"
    assert before["entries"][0]["data"]["values"][0]["rawStacktrace"] is None
    upload(own, BUNDLE)
    assert stack(latest(own, "Early"))[-1]["function"] == "payOut"


def test_what_is_here_is_not_uploaded_again(fresh: Server) -> None:
    upload(fresh, BUNDLE)
    asked = {"checksum": sha1(BUNDLE), "chunks": [sha1(BUNDLE)], "projects": ["web"]}
    assert fresh.call("POST", "/artifactbundle/assemble/", json=asked).json()["state"] == "ok"


LIAR = bytearray(archive({"a.map": b"x" * MIB}))
_at = LIAR.index(b"PK\x01\x02")
LIAR[_at + 24 : _at + 28] = (100).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (archive({"a.map": b" " * 200 * MIB}), r"'a\.map' has 209715200 bytes, and a file may have 8388608"),
        (archive({f"{n}.map": b" " * 8 * MIB for n in range(7)}), "the files have .* together, and 50331648 are taken"),
        (archive({f"{n}.map": b"" for n in range(600)}), "the archive has 601 files, and 500 are taken"),
        (bytes(LIAR), "the archive is damaged: "),
        (archive({"../../etc/passwd": b"{}"}), r"'\.\./\.\./etc/passwd' leads out of the bundle"),
        (archive({"/etc/passwd": b"{}"}), "'/etc/passwd' leads out of the bundle"),
        (archive({"a\\..\\..\\b": b"{}"}), "leads out of the bundle"),
        (archive({"C:/b": b"{}"}), "'C:/b' leads out of the bundle"),
        (archive({"a": b"{}"}, {"files": {"../b": {}}}), r"manifest\.json names '\.\./b', which is not in the archive"),
        (archive({"a": b"{}"}, {"files": {"a": {"type": "source_map"}}}), "no file has a debug id"),
        (archive({"a": b"{}"}, []), "no file has a debug id"),
        (BUNDLE[:600], "the archive is damaged: "),
        (BUNDLE[8:], "this is not an artifact bundle"),
        (b"SYSB", "the archive is damaged: "),
    ],
    ids=lambda value: re.sub(r"\W+", " ", value[:40]) if isinstance(value, str) else "",
)
def test_a_bad_bundle_is_refused_in_one_line(fresh: Server, raw: bytes, detail: str) -> None:
    state = upload(fresh, raw)
    assert state["state"] == "error"
    assert re.match(detail, state["detail"]) or re.search(detail, state["detail"])
    assert upload(fresh, raw)["state"] == "error", "and again, when it is tried again"


def test_bad_bundles_take_little_memory(fresh: Server) -> None:
    before = fresh.memory_mib()
    for raw in (archive({f"{n}.map": b" " * 8 * MIB for n in range(6)}), archive({"a.map": b" " * 200 * MIB})):
        upload(fresh, raw)
    assert fresh.memory_mib() < before + 80


def test_a_bundle_that_is_too_large_is_refused_before_its_parts_come(fresh: Server) -> None:
    chunks = [f"{n:040x}" for n in range(800)]
    asked = {"checksum": "0" * 40, "chunks": chunks, "projects": ["web"]}
    state = fresh.call("POST", "/artifactbundle/assemble/", json=asked).json()
    assert state == {"state": "error", "missingChunks": [], "detail": "the bundle has more than 8388608 bytes"}


def test_a_chunk_is_what_its_name_says(fresh: Server) -> None:
    answer = upload_chunk(fresh, "0" * 40, b"something else")
    assert answer.status_code == 400
    assert answer.json()["detail"] == f"chunk {'0' * 40}: this is not the checksum of what came"
    assert upload_chunk(fresh, "../../x", b"x").status_code == 400
    assert upload_chunk(fresh, sha1(b"x" * MIB), b"x" * MIB).status_code == 400
    assert upload_chunk(fresh, sha1(b"x" * 9 * MIB), b"x" * 9 * MIB).status_code == 413
    part = b"binary \r\n--y \x00\xff\r\n"
    assert upload_chunk(fresh, sha1(part), part).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data", b"--x\r\n\r\n", 415),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nlost", 400),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 400),
        ("multipart/form-data; boundary=x", b"", 400),
    ],
)
def test_forms_that_are_none(fresh: Server, content_type: str, body: bytes, status: int) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": content_type}
    assert fresh.http.post(f"{ORG}/chunk-upload/", content=body, headers=headers).status_code == status


def test_uploads_ask_for_the_token(fresh: Server) -> None:
    for path in ("/chunk-upload/", "/artifactbundle/assemble/"):
        assert fresh.http.post(ORG + path, content=b"{}").status_code == 401


def test_a_bundle_is_not_the_one_that_its_chunks_make(fresh: Server) -> None:
    upload_chunk(fresh, sha1(b"part"), b"part")
    asked = {"checksum": "1" * 40, "chunks": [sha1(b"part")], "projects": ["web"]}
    state = fresh.call("POST", "/artifactbundle/assemble/", json=asked).json()
    assert state["detail"] == "the checksum of the bundle is not that of its chunks"


@pytest.mark.parametrize("broken", [b"no JSON", b"{}", b'{"version":3,"sources":[],"names":[],"mappings":"!!"}'])
def test_a_map_that_cannot_be_read_leaves_the_frames_as_they_came(own: Server, broken: bytes) -> None:
    about = {kind: {"type": kind, "headers": {"debug-id": DEBUG_ID}} for kind in ("minified_source", "source_map")}
    files = {"minified_source": b"x", "source_map": broken}
    assert upload(own, archive(files, {"files": about}))["state"] == "ok"
    assert own.browsers(thrown("Broken")).status_code == 200
    event = latest(own, "Broken")
    assert stack(event)[-1]["function"] == "e"
    assert any(problem["message"].startswith(DEBUG_ID) for problem in event["errors"])


@pytest.mark.parametrize(
    ("line", "column"), [(0, 1), (1, 0), (-1, 5), (2**40, 5), (1, 2**40), (True, 1), ("1", 1), (99, 9999)]
)
def test_places_that_are_none(fresh: Server, line: Any, column: Any) -> None:
    upload(fresh, BUNDLE)
    body = re.sub(
        rb'"lineno":3,"colno":38', b'"lineno":%s,"colno":%s' % (orjson.dumps(line), orjson.dumps(column)), ERROR
    )
    assert fresh.browsers(body).status_code == 200
