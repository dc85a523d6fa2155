"""The page over a walk, served on loopback.

Only the page itself may ask: the address has a token that is drawn for each run, and requests whose
`Host` or `Origin` is another one are refused.
"""

from __future__ import annotations

import hmac
import json
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

from checker.explore.walk import Walk
from checker.report.html.bundle import bundled
from checker.report.html.figure import figure, row
from checker.report.html.story import story
from checker.report.html.verdicts import graph
from model.near import UsageError

LOOPBACK = "127.0.0.1"
LARGEST = 1_000_000
"""The most bytes of a request."""
GRAPH_STATES = 200_000


class Server(ThreadingHTTPServer):
    """A server of one walk, at a random port."""

    daemon_threads = True

    def __init__(self, walk: Walk, command: str) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.walk, self.command = walk, command
        self.token = secrets.token_urlsafe(24)
        self.lock = Lock()
        self.origin = f"http://{LOOPBACK}:{self.server_address[1]}"
        system = walk.system
        self.machines = [figure(system, r, walk.sound) for r in system.runs]

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"{self.origin}/{self.token}/"

    def page(self) -> str:
        """The page at the start of the walk."""
        walk = self.walk
        what = f"{walk.where.name}, {walk.request.patch}" if walk.request.patch else walk.where.name
        data = {
            "command": "explore",
            "title": f"explore {what}",
            "said": [walk.where.summary],
            "tables": [],
            "notes": [],
            "lines": [],
            "stories": [],
            "machines": self.machines,
            "graphs": [],
            "live": {
                "scenario": walk.where.name,
                "patch": walk.request.patch,
                "command": self.command,
                "free": {n: [str(v) for v in vs] for n, vs in walk.free().items()},
                "rows": {r.name: [row(x) for x in r.role.accepts] for r in walk.system.runs},
            },
        }
        return bundled(data, live=True)

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What the page asks for; UsageError for what makes no sense."""
        walk = self.walk
        op, at = asked.get("op"), asked.get("at", len(walk.path) - 1)
        if not isinstance(at, int) or not 0 <= at < len(walk.path):
            raise UsageError(f"there is no state {at} in this walk")
        match op:
            case "moves":
                return {"moves": walk.moves(at), "known": walk.known(at)}
            case "why":
                return walk.why_not(at, str(asked.get("run")), str(asked.get("row")))
            case "graph":
                return graph(walk.system, GRAPH_STATES)
            case "saved":
                return {"trace": walk.trace().as_json(), "test": walk.test(), "word": walk.word()}
            case "take":
                walk.take(at, int(asked.get("number", -1)))
            case "choose":
                walk.choose(str(asked.get("name")), str(asked.get("value")))
            case "read":
                walk.read(str(asked.get("word")))
            case "reach":
                return {"said": walk.reach(str(asked.get("says"))), "story": self._story()}
            case "story":
                pass
            case _:
                raise UsageError(f"there is no request {op!r}")
        return {"story": self._story()}

    def _story(self) -> dict[str, Any]:
        walk = self.walk
        told = story(walk.trace(), walk.system, None, walk.sound)
        return {**told, "machines": list(range(len(self.machines)))}


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self._allowed("/"):
            self._send(HTTPStatus.OK, self.server.page().encode(), "text/html; charset=utf-8")

    def do_POST(self) -> None:
        if not self._allowed("/ask"):
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        if self.headers.get("Origin") != self.server.origin:
            self._refuse(HTTPStatus.FORBIDDEN)
            return
        try:
            asked = json.loads(self.rfile.read(int(length)))
            if not isinstance(asked, dict):
                raise UsageError("expected an object")
            with self.server.lock:
                said = self.server.answer(asked)
        except (UsageError, ValueError, TypeError) as e:
            said = {"error": str(e)}
        self._send(HTTPStatus.OK, json.dumps(said, default=str).encode(), "application/json")

    def _allowed(self, rest: str) -> bool:
        """Whether the request comes from this machine's browser, to this server, with the token."""
        host = self.headers.get("Host", "")
        origin = self.headers.get("Origin")
        ours = host == self.server.origin.removeprefix("http://")
        if not ours or origin not in (None, self.server.origin):
            self._refuse(HTTPStatus.FORBIDDEN)
            return False
        right = f"/{self.server.token}{rest}"
        if not hmac.compare_digest(self.path.encode(), right.encode()):
            self._refuse(HTTPStatus.NOT_FOUND)
            return False
        return True

    def _refuse(self, status: HTTPStatus) -> None:
        self._send(status, f"{status.phrase}\n".encode(), "text/plain")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request."""
