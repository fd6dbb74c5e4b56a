"""The ways by which an alert reaches people: a Slack-like webhook, e-mail, a command. Each sends once, or says whether trying again may help.

Addresses that are secrets never stand in a message: errors name the variable that holds them.
"""

import json
import smtplib
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from email.message import EmailMessage
from typing import Protocol
from urllib.parse import unquote, urlsplit

from kb_platform.knowledge.alerts import Alert, AlertRules
from kb_platform.knowledge.errors import ConfigError, PermanentError, TransientError, in_a_word

TIMEOUT = 10.0  # seconds that one attempt may take, for each of connecting and answering
PATIENCE = 30.0  # seconds that a command may take
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: the command asks to be run again
LOOPBACK = ("localhost", "127.0.0.1", "::1")
BUSY = (408, 425, 429)


class Channel(Protocol):
    """One way."""

    @property
    def name(self) -> str:
        """Return what it is called where deliveries are remembered."""
        ...

    def send(self, alert: Alert) -> None:
        """Deliver it. Raises TransientError where trying again may help, PermanentError where it cannot."""
        ...


@dataclass(frozen=True)
class Webhook:
    """Posts {"text": ...}, as Slack, Mattermost, Rocket.Chat and Teams' workflows take it."""

    url: str = field(repr=False)
    variable: str
    name: str = "webhook"

    def send(self, alert: Alert) -> None:
        """Post it."""
        import httpx

        try:
            answer = httpx.post(self.url, json={"text": alert.text}, timeout=TIMEOUT, follow_redirects=False)
        except httpx.TransportError as error:
            raise TransientError(f"the webhook does not answer ({in_a_word(error)})", where=self.variable) from None
        except (httpx.InvalidURL, UnicodeError):
            raise ConfigError("holds no address that can be called", where=self.variable, expected="https://...") from None
        if answer.is_success:
            return
        found = f"the webhook answers {answer.status_code}"
        if answer.status_code in BUSY or answer.is_server_error:
            raise TransientError(found, where=self.variable)
        raise PermanentError(found, where=self.variable, expected="200", action="check the address, or make a new webhook")


@dataclass(frozen=True)
class Email:
    """Sends one message to all recipients; `url` is smtp://[user:password@]host[:port] or smtps://..., TLS is taken where it is offered."""

    url: str = field(repr=False)
    sender: str
    recipients: tuple[str, ...]
    name: str = "email"

    def send(self, alert: Alert) -> None:
        """Send it."""
        message = EmailMessage()
        message["From"], message["To"] = self.sender, ", ".join(self.recipients)
        message["Subject"] = f"[kb] {alert.knowledge_base}: {alert.kind.value.replace('_', ' ')}"
        message.set_content(alert.text)
        with _smtp_errors(), self._connected() as server:
            refused = server.send_message(message)
        if refused:
            raise PermanentError(f"the mail server refuses {', '.join(sorted(refused))}", where="alerts.email", action="correct the address; the others were told")

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        parts = urlsplit(self.url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ConfigError("holds no address of a mail server", where="KB_ALERT_SMTP_URL", expected="smtp://user:password@host:587 or smtps://host")
        secure = parts.scheme == "smtps"
        kind, port = (smtplib.SMTP_SSL, 465) if secure else (smtplib.SMTP, 25)
        with kind(parts.hostname, parts.port or port, timeout=TIMEOUT) as server:
            server.ehlo()
            if not secure and server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
                secure = True
            if parts.username:
                if not secure and parts.hostname not in LOOPBACK:
                    raise ConfigError("the mail server offers no TLS, and the password would be sent in the clear", where="KB_ALERT_SMTP_URL", action="use smtps://")
                server.login(unquote(parts.username), unquote(parts.password or ""))
            yield server


@contextmanager
def _smtp_errors() -> Iterator[None]:
    """Turn what smtplib says into ours: codes from 500 on will be the same tomorrow."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        codes = {code for code, _ in error.recipients.values()}
        wrong = TransientError if codes and max(codes) < 500 else PermanentError
        raise wrong(f"the mail server refuses every recipient ({', '.join(map(str, sorted(codes)))})", where="alerts.email") from None
    except smtplib.SMTPResponseException as error:
        wrong = TransientError if error.smtp_code < 500 else PermanentError
        raise wrong(f"the mail server answers {error.smtp_code}", where="KB_ALERT_SMTP_URL") from None
    except smtplib.SMTPServerDisconnected:
        raise TransientError("the mail server hung up", where="KB_ALERT_SMTP_URL") from None
    except smtplib.SMTPException as error:
        raise PermanentError(f"the mail server cannot be used ({in_a_word(error)})", where="KB_ALERT_SMTP_URL") from None
    except ssl.SSLError as error:
        raise PermanentError(f"the mail server's TLS cannot be trusted ({error.reason})", where="KB_ALERT_SMTP_URL") from None
    except OSError as error:
        raise TransientError(f"the mail server does not answer ({error.strerror or in_a_word(error)})", where="KB_ALERT_SMTP_URL") from None


@dataclass(frozen=True)
class Command:
    """Runs a program, without a shell, with the alert as JSON on its standard input; it sees none of our variables."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    name: str = "command"

    def send(self, alert: Alert) -> None:
        """Run it. Exit code 0: told; 75 (EX_TEMPFAIL): try again."""
        try:
            done = subprocess.run(self.arguments, input=json.dumps(asdict(alert)).encode(), env=dict(self.environment), timeout=PATIENCE,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        except subprocess.TimeoutExpired:
            raise TransientError(f"{self.arguments[0]} has not ended within {PATIENCE:g} s", where="alerts.command") from None
        except OSError as error:
            raise ConfigError(f"{self.arguments[0]} cannot be run ({error.strerror})", where="alerts.command", expected="a program and its arguments") from None
        if done.returncode:
            wrong = TransientError if done.returncode == TRY_AGAIN else PermanentError
            raise wrong(f"{self.arguments[0]} ended with exit code {done.returncode}", where="alerts.command")


def channels_of(rules: AlertRules) -> list[Channel]:
    """Return the channels of a knowledge base, as far as the settings have what they need; see `lacking`."""
    from kb_platform.settings import alert_secret, current_settings, inherited_environment

    chosen, found = current_settings(), list[Channel]()
    if rules.webhook and (url := alert_secret(rules.webhook)):
        found.append(Webhook(url, rules.webhook))
    if rules.email and chosen.alert_smtp_url:
        found.append(Email(chosen.alert_smtp_url.get_secret_value(), chosen.alert_from or rules.email[0], rules.email))
    if rules.command:
        found.append(Command(rules.command, inherited_environment({}, but="KB_")))
    return found


def lacking(rules: AlertRules) -> list[str]:
    """Return what the settings lack for the channels that the YAML names, a sentence each."""
    from kb_platform.settings import alert_secret, current_settings

    found = []
    if rules.webhook and not alert_secret(rules.webhook):
        found.append(f"alerts.webhook: {rules.webhook} is not set; expected the webhook's address")
    if rules.email and not current_settings().alert_smtp_url:
        found.append("alerts.email: KB_ALERT_SMTP_URL is not set; expected the mail server, smtp://user:password@host:587")
    return found
