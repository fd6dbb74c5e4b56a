"""Real servers on the loopback that take alerts: a webhook and a mail server, which answer as they are told to."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook:
    """Notes what is posted; `answers` are the status codes to give, the last one for ever."""

    def __init__(self, *answers: int) -> None:
        self.answers, self.bodies = list(answers) or [200], list[dict[str, Any]]()
        self.url = ""

    def answer(self) -> int:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @property
    def texts(self) -> list[str]:
        return [body["text"] for body in self.bodies]


@contextmanager
def webhook(*answers: int) -> Iterator[Webhook]:
    """Yield a webhook that runs meanwhile."""
    noted = Webhook(*answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            noted.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(noted.answer())
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its base calls it so
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, _served(server):
        noted.url = f"http://127.0.0.1:{server.server_port}/services/T0/B0/secret-of-the-hook"
        yield noted


class Mail:
    """Notes messages; `code` is what the server says to each recipient."""

    def __init__(self, code: int) -> None:
        self.code, self.messages, self.recipients, self.port = code, list[str](), list[str](), 0
        self.login = ""


@contextmanager
def mail_server(code: int = 250) -> Iterator[Mail]:
    """Yield a mail server that runs meanwhile: RFC 5321 as far as a client needs it, without TLS."""
    noted = Mail(code)

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            self.say("220 mail.test")
            while line := self.rfile.readline().decode().strip():
                word = line.split()[0].upper()
                if word == "EHLO":
                    self.wfile.write(b"250-mail.test\r\n250 AUTH PLAIN\r\n")
                elif word == "AUTH":
                    noted.login = line.split()[-1]
                    self.say("235 welcome")
                elif word == "RCPT":
                    noted.recipients.append(line)
                    self.say(f"{noted.code} so be it")
                elif word == "DATA":
                    self.say("354 go on")
                    body = list[str]()
                    while (part := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                        body.append(part)
                    noted.messages.append("\n".join(body))
                    self.say("250 taken")
                elif word == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 yes")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server, _served(server):
        noted.port = server.server_address[1]
        yield noted


@contextmanager
def _served(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
