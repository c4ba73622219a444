"""Where alerts arrive on a laptop: an HTTP server that answers as the real receiver does."""

from __future__ import annotations

import argparse
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from local.closing import Closing
from local.receivers.alertmanager import PATH, Alertmanager
from local.receivers.http_messages import Alert, Answer, Receiver, Request
from local.receivers.notification_manager import NotificationManager

Mode = Literal["notification-manager", "alertmanager"]
MODES: dict[str, type[NotificationManager | Alertmanager]] = {
    "notification-manager": NotificationManager,
    "alertmanager": Alertmanager,
}


class Inbox(Closing):
    """Listens on 127.0.0.1 from here to `close`; as a context manager, for the length of its block.

    Both receivers have the same path, so that the mode has to be chosen. `on_alert` is called for
    every accepted alert, in the thread that serves its sender. Raises OSError if the port is taken.
    """

    def __init__(
        self, mode: Mode, port: int = 0, on_alert: Callable[[Alert], None] | None = None
    ) -> None:
        self._receiver: Receiver = MODES[mode]()
        self._on_alert = on_alert
        self._arrived = threading.Condition()
        self._alerts: list[Alert] = []
        self._exchanges: list[tuple[Request, Answer]] = []
        self._server = _Server(self._answer, port)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="inbox", daemon=True
        )
        self._thread.start()
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}{PATH}"
        """Where a sender posts its alerts."""

    @property
    def alerts(self) -> list[Alert]:
        """The alerts accepted so far, in the order of their arrival."""
        with self._arrived:
            return list(self._alerts)

    @property
    def exchanges(self) -> list[tuple[Request, Answer]]:
        """Every request so far, with its answer."""
        with self._arrived:
            return list(self._exchanges)

    def wait_for(self, count: int, seconds: float = 10.0) -> list[Alert]:
        """The alerts, once there are at least `count`. Raises TimeoutError if they do not come."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._alerts) >= count, seconds):
                raise TimeoutError(f"{len(self._alerts)} alerts of {count} after {seconds} s")
            return list(self._alerts)

    def close(self) -> None:
        """Stops listening, closes the connections, and keeps what has arrived."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, request: Request) -> Answer:
        answer, accepted = self._receiver.answer(request)
        with self._arrived:
            self._exchanges.append((request, answer))
            self._alerts += accepted
            self._arrived.notify_all()
        if self._on_alert:
            for alert in accepted:
                self._on_alert(alert)
        return answer


class _Server(ThreadingHTTPServer):
    """Serves each connection in a thread that `server_close` ends and waits for."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, answer: Callable[[Request], Answer], port: int) -> None:
        self.answer = answer
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that went away is not an error of ours."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # its sender was faster
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(length)
        answer = self.server.answer(Request(time.time(), self.command, self.path, headers, body))
        if answer.status:
            self._send(answer)
        else:
            self.close_connection = True

    def _send(self, answer: Answer) -> None:
        body = answer.body.encode("utf-8", "replace")
        self.send_response(answer.status)
        if answer.content_type:
            self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - http.server looks for these names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server names it so
        """Says nothing: the inbox prints alerts, not requests."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints one line per alert that arrives, until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m local.inbox", description=main.__doc__)
    parser.add_argument("--mode", choices=tuple(MODES), default="notification-manager")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    options = parser.parse_args(arguments)
    try:
        inbox = Inbox(options.mode, options.port, on_alert=_print_line)
    except OSError as error:
        parser.error(f"cannot listen on port {options.port}: {error.strerror}")
    with inbox:
        try:
            print(f"{options.mode} on {inbox.url}", flush=True)
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


def _print_line(alert: Alert) -> None:
    print(_line(alert), flush=True)


def _line(alert: Alert) -> str:
    return f"{time.strftime('%H:%M:%S', time.localtime(alert.arrived))}  {alert}"


if __name__ == "__main__":
    main()
