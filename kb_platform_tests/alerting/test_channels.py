"""Alerts reach people over real sockets; what may pass is tried again, what cannot is not, and no secret stands in an error."""

import base64
import json
import socket
import sys
from pathlib import Path

import pytest

from kb_platform.alerting.channels import Channel, Command, Email, Webhook, channels_of, lacking
from kb_platform.alerting.telling import tell
from kb_platform.knowledge.alerts import Alert, AlertKind, AlertRules
from kb_platform.knowledge.errors import ConfigError, PermanentError, TransientError
from kb_platform_tests.alerting.receivers import mail_server, webhook

ALERT = Alert(AlertKind.GATE_FAILED, "wards", ("gate/3",), "wards: the gate churn says inconclusive of release 3. See `kb report wards`.", {"release": 3})
NOW = (0.0, 0.0)  # no waits between attempts


def refused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_webhook_gets_the_text_and_nothing_else() -> None:
    with webhook() as hook:
        Webhook(hook.url, "KB_ALERT_SLACK").send(ALERT)
    assert hook.bodies == [{"text": ALERT.text}]


@pytest.mark.parametrize(("answers", "tries", "sent"), [((503, 429, 200), 3, 1), ((500,), 3, 0), ((404,), 1, 0), ((302,), 1, 0), ((400,), 1, 0)])
def test_only_what_may_pass_is_tried_again(answers: tuple[int, ...], tries: int, sent: int) -> None:
    with webhook(*answers) as hook:
        done = tell([ALERT], [Webhook(hook.url, "KB_ALERT_SLACK")], (), NOW)
    assert (len(hook.bodies), done.sent) == (tries, sent)
    assert ("webhook:gate/3" in done.told) == (answers[-1] != 500), "what cannot pass is not tried with the next tick either"
    assert all("secret-of-the-hook" not in trouble and "KB_ALERT_SLACK" in trouble for trouble in done.troubles)


def test_what_was_told_is_not_told_again_and_one_channel_keeps_back_no_other() -> None:
    with webhook(503) as broken, webhook() as good:
        channels: list[Channel] = [Webhook(broken.url, "KB_ALERT_A", "a"), Webhook(good.url, "KB_ALERT_B", "b")]
        first = tell([ALERT], channels, (), NOW)
        broken.answers = [200]
        second = tell([ALERT], channels, first.told, NOW)
        third = tell([ALERT], channels, first.told | second.told, NOW)
    assert (first.told, second.told, third.sent) == ({"b:gate/3"}, {"a:gate/3"}, 0)
    assert len(good.bodies) == 1


def test_addresses_that_lead_nowhere() -> None:
    with pytest.raises(TransientError, match="does not answer"):
        Webhook(f"http://127.0.0.1:{refused_port()}", "KB_ALERT_SLACK").send(ALERT)
    for url in ("slack", "http://[", "ftp://example.org"):
        with pytest.raises((ConfigError, TransientError)):
            Webhook(url, "KB_ALERT_SLACK").send(ALERT)
    with pytest.raises(TransientError, match="the mail server does not answer"):
        Email(f"smtp://127.0.0.1:{refused_port()}", "kb@example.org", ("a@example.org",)).send(ALERT)
    with pytest.raises(ConfigError, match="holds no address of a mail server"):
        Email("mail.example.org", "kb@example.org", ("a@example.org",)).send(ALERT)


def test_mail_goes_to_all_with_the_password_that_the_address_holds() -> None:
    with mail_server() as server:
        Email(f"smtp://kb:p%40ss@127.0.0.1:{server.port}", "kb@example.org", ("ward@example.org", "data@example.org")).send(ALERT)
    (message,) = server.messages
    assert [line.split("<")[1] for line in server.recipients] == ["ward@example.org>", "data@example.org>"]
    assert base64.b64decode(server.login) == b"\0kb\0p@ss"
    assert "Subject: [kb] wards: gate failed" in message and "See `kb report wards`." in message


@pytest.mark.parametrize(("code", "error"), [(451, TransientError), (550, PermanentError)])
def test_a_mail_server_that_refuses_now_is_asked_again_and_one_that_refuses_for_good_is_not(code: int, error: type[Exception]) -> None:
    with mail_server(code) as server, pytest.raises(error, match=str(code)):
        Email(f"smtp://127.0.0.1:{server.port}", "kb@example.org", ("ward@example.org",)).send(ALERT)


def program(folder: Path, text: str) -> tuple[str, ...]:
    (folder / "tell.py").write_text(text)
    return (sys.executable, str(folder / "tell.py"), str(folder / "got"))


def test_a_command_reads_the_alert_and_sees_none_of_our_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_ALERT_SLACK", "secret")
    arguments = program(tmp_path, "import json, os, sys\njson.dump([json.load(sys.stdin), [n for n in os.environ if n.startswith('KB_')]], open(sys.argv[1], 'w'))")
    (channel,) = channels_of(AlertRules((), command=arguments))
    channel.send(ALERT)
    got, seen = json.loads((tmp_path / "got").read_text())
    assert (got["kind"], got["text"], got["facts"], seen) == ("gate_failed", ALERT.text, {"release": 3}, [])


@pytest.mark.parametrize(("code", "error"), [(75, TransientError), (1, PermanentError)])
def test_a_command_says_by_its_exit_code_whether_to_try_again(tmp_path: Path, code: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"exit code {code}"):
        Command(program(tmp_path, f"raise SystemExit({code})"), {}).send(ALERT)


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="/no/such/program cannot be run"):
        Command(("/no/such/program",), {}).send(ALERT)


def test_channels_without_their_settings_are_named_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = AlertRules((), webhook="KB_ALERT_SLACK", email=("a@example.org",))
    assert channels_of(rules) == []
    assert lacking(rules) == ["alerts.webhook: KB_ALERT_SLACK is not set; expected the webhook's address",
                              "alerts.email: KB_ALERT_SMTP_URL is not set; expected the mail server, smtp://user:password@host:587"]
    monkeypatch.setenv("KB_ALERT_SLACK", "https://example.org/hook")
    monkeypatch.setenv("KB_ALERT_SMTP_URL", "smtp://user:secret@mail.example.org")
    assert [channel.name for channel in channels_of(rules)] == ["webhook", "email"]
    assert lacking(rules) == []
    assert "secret" not in repr(channels_of(rules)) and "hook" not in repr(channels_of(rules)).replace("webhook", "").replace("Webhook", "")
