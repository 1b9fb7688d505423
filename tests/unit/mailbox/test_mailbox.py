"""Mail goes in over SMTP, as any sender would send it, and is read over HTTP."""

from __future__ import annotations

import os
import smtplib
import subprocess
import sys
from email.message import EmailMessage

import pytest

from tests.unit.mailbox.conftest import Mailbox


def message(to: str, subject: str = "Hello", text: str = "Hi there", html: str = "") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "sender@example.com", to, subject
    made["Message-ID"] = "<one@example.com>"
    made.set_content(text)
    if html:
        made.add_alternative(html, subtype="html")
    return made


def send(mailbox: Mailbox, *messages: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", mailbox.smtp_port, timeout=10) as smtp:
        for each in messages:
            smtp.send_message(each)


def test_what_is_sent_can_be_read(mailbox: Mailbox) -> None:
    send(mailbox, message("ada@players.example"), message("bob@players.example", "Grüße", html="<p>Hi <b>Bob</b>"))
    newest, oldest = mailbox.http.get("/api/messages").json()
    assert (oldest["to"], oldest["subject"], oldest["from"]) == (
        ["ada@players.example"],
        "Hello",
        "sender@example.com",
    )
    assert (newest["subject"], newest["message_id"]) == ("Grüße", "<one@example.com>")
    whole = mailbox.http.get(f"/api/messages/{newest['id']}").json()
    assert (whole["text"].strip(), whole["html"].strip()) == ("Hi there", "<p>Hi <b>Bob</b>")
    assert mailbox.http.get("/api/messages/nothing").status_code == 404

    page = mailbox.http.get("/").text
    assert "ada@players.example" in page
    assert f'href="/messages/{newest["id"]}"' in page
    assert "Hi there" in mailbox.http.get(f"/messages/{newest['id']}").text

    assert mailbox.http.delete("/api/messages").status_code == 204
    assert mailbox.http.get("/api/messages").json() == []


def test_what_others_wrote_runs_nothing(mailbox: Mailbox) -> None:
    script = "<script>alert(1)</script>"
    send(mailbox, message("ada@players.example", f"Hi {script}", f"text {script}", f"<p>html {script}"))
    mail_id = mailbox.http.get("/api/messages").json()[0]["id"]
    for path in ("/", f"/messages/{mail_id}"):
        page = mailbox.http.get(path)
        assert script not in page.text
        assert "&lt;script&gt;" in page.text
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; frame-src 'self'")
    frame = mailbox.http.get(f"/messages/{mail_id}/html")
    assert script in frame.text
    assert frame.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


def test_two_domains_refuse_and_the_connection_goes_on(mailbox: Mailbox) -> None:
    with smtplib.SMTP("127.0.0.1", mailbox.smtp_port, timeout=10) as smtp:
        for to, code in (("ada@refuse.invalid", 550), ("ada@BUSY.invalid", 451)):
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
                smtp.send_message(message(to))
            assert refused.value.recipients[to][0] == code
        smtp.send_message(message("ada@players.example"))
    assert len(mailbox.http.get("/api/messages").json()) == 1


def test_a_message_that_is_too_large(mailbox: Mailbox) -> None:
    with smtplib.SMTP("127.0.0.1", mailbox.smtp_port, timeout=10) as smtp:
        # Announced at once, or found out on the way.
        with pytest.raises(smtplib.SMTPSenderRefused) as announced:
            smtp.send_message(message("ada@players.example", text="x" * 70 + "\n" + ("y" * 70 + "\n") * 20_000))
        assert announced.value.smtp_code == 552
        smtp.mail("sender@example.com")
        smtp.rcpt("ada@players.example")
        code, _ = smtp.data("Subject: large\r\n\r\n" + ("y" * 70 + "\r\n") * 20_000)
        assert code == 552
    assert mailbox.http.get("/api/messages").json() == []


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no header at all",
        b"Subject: =?nonsense?b?AAAA?=\r\nMessage-ID: <<<>@[\r\n\r\ntext",
        b"Subject: \xff\xfe\r\nContent-Type: text/plain; charset=klingon\r\n\r\nnuqneH \xff",
        b"Content-Type: multipart/mixed; boundary=\r\n\r\n--",
    ],
)
def test_what_is_hardly_a_message_is_shown_all_the_same(mailbox: Mailbox, raw: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", mailbox.smtp_port, timeout=10) as smtp:
        smtp.sendmail("sender@example.com", ["ada@players.example"], raw)
    mail_id = mailbox.http.get("/api/messages").json()[0]["id"]
    for path in (f"/api/messages/{mail_id}", f"/messages/{mail_id}", f"/messages/{mail_id}/html", "/"):
        assert mailbox.http.get(path).status_code == 200


def test_the_newest_are_kept(mailbox: Mailbox) -> None:
    send(mailbox, *(message(f"p{number}@players.example") for number in range(510)))
    kept = mailbox.http.get("/api/messages").json()
    assert len(kept) == 500
    assert (kept[0]["to"], kept[-1]["to"]) == (["p509@players.example"], ["p10@players.example"])


def test_it_ends_when_told_and_logs_no_address(mailbox: Mailbox) -> None:
    with smtplib.SMTP("127.0.0.1", mailbox.smtp_port, timeout=10) as smtp:
        smtp.send_message(message("ada@players.example"))
        mailbox.popen.terminate()  # while somebody is connected
        assert mailbox.popen.wait(15) == 0
    log = mailbox.log.read_text()
    assert "ada" not in log
    assert "Traceback" not in log


def test_a_port_in_use_ends_it_with_one_line(mailbox: Mailbox) -> None:
    variables = {"PORT": "0", "SMTP_PORT": str(mailbox.smtp_port), "METRICS_PORT": "0"}
    ended = subprocess.run(
        [sys.executable, "-m", "reelback_mailbox"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"SMTP_PORT {mailbox.smtp_port}: ")
    assert "address already in use" in line


def test_a_name_that_is_not_its_own_gets_nothing(mailbox: Mailbox) -> None:
    send(mailbox, message("ada@players.example", html="<p>Hi"))
    mail_id = mailbox.http.get("/api/messages").json()[0]["id"]
    for path in ("/", "/api/messages", f"/messages/{mail_id}", f"/messages/{mail_id}/html"):
        for host, status in (("mailbox:8086", 200), ("localhost", 200), ("minisentry", 421), ("rebound.example", 421)):
            answer = mailbox.http.get(path, headers={"Host": host})
            assert answer.status_code == status
            assert "ada@" not in answer.text or status == 200
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert "frame-ancestors" in answer.headers["content-security-policy"]
    assert mailbox.http.delete("/api/messages", headers={"Host": "rebound.example"}).status_code == 421
    assert len(mailbox.http.get("/api/messages").json()) == 1
