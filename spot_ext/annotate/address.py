"""Holds the address of the page on this machine, which outlives a crash."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
import urllib.error
import urllib.request
from pathlib import Path

from ltr.admin.errors import BadInput
from ltr.io.files import atomic_write
from spot_ext.annotate.access import is_token, new_token

HOST = "127.0.0.1"
FIRST_PORT, PORTS_TRIED = 8765, 20
LARGEST_PORT = 65535
# Bytes that are read of a note of port and token, which has some 70.
LARGEST_NOTE = 1000


class Address:
    """Port and token of the page, remembered beside the box file while the server runs.

    A server that was killed leaves the note behind, and the next one for the same box file takes
    the same address, so that a page still open goes on and saves what it has not saved yet. Raises
    BadInput where a server for this file still answers. A file that is reached by several names
    (links) has one address.
    """

    def __init__(self, boxes: Path, port: int | None = None):
        boxes = boxes.resolve()
        self.note = boxes.with_name(f".{boxes.name}.page")
        before = self._read_note()
        if before is not None and answers(*before):
            raise BadInput(
                f"{boxes} is open already at {_url(*before)}; use that page, or stop its server "
                "with Ctrl-C first"
            )
        wanted, self.token = before or (None, new_token())
        self.socket = _bind(wanted if port is None else port, is_wish=port is None)
        self.port = self.socket.getsockname()[1]
        content = json.dumps({"port": self.port, "token": self.token})
        # The token is this user's.
        with atomic_write(self.note, private=True) as temporary:
            temporary.write_text(content, encoding="utf-8")

    @property
    def url(self) -> str:
        return _url(self.port, self.token)

    def close(self) -> None:
        """Forget the address; for an orderly end."""
        self.socket.close()
        self.note.unlink(missing_ok=True)

    def _read_note(self) -> tuple[int, str] | None:
        """Return port and token that a server of this user noted; None where nobody did.

        The folder may come from somebody else, who would know a token that was put there, and
        whose port may be another service of this machine.
        """
        try:
            text = _private_text(self.note)
            content = None if text is None else json.loads(text)
        # No note, or a damaged one: a new address does as well.
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(content, dict):
            return None
        port, token = content.get("port"), content.get("token")
        if type(port) is not int or not 0 < port <= LARGEST_PORT or not is_token(token):
            return None
        return port, token


def _private_text(path: Path) -> str | None:
    """Return what a file holds that this user wrote for nobody else; None for any other."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        is_mine = not hasattr(os, "getuid") or status.st_uid == os.getuid()
        # Windows has no such rights.
        is_secret = os.name != "posix" or not status.st_mode & 0o077
        if not (stat.S_ISREG(status.st_mode) and is_mine and is_secret):
            return None
        return file.read(LARGEST_NOTE).decode()


def answers(port: int, token: str, timeout: float = 2.0) -> bool:
    """Say whether a server of ours answers there within `timeout` seconds."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy
    try:
        with opener.open(f"{_url(port, token)}api/ping", timeout=timeout) as answer:
            return answer.status == 200
    except (OSError, ValueError):  # URLError is an OSError
        return False


def _bind(port: int | None, is_wish: bool) -> socket.socket:
    """A socket that listens on `port`; a mere wish gives way to the first free port of the range,
    and then to any.
    """
    tried = (
        [port]
        if not is_wish
        else [
            *([port] if port is not None else []),
            *range(FIRST_PORT, FIRST_PORT + PORTS_TRIED),
            0,
        ]
    )
    for number in tried:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if os.name == "posix":  # elsewhere this would let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, number))
            listening.listen(128)
            listening.set_inheritable(True)
            return listening
        except (OSError, OverflowError) as error:
            listening.close()
            reason = error
    if isinstance(reason, OSError) and reason.errno == errno.EADDRINUSE:
        raise BadInput(
            f"--port {port}: another program uses it; leave --port out, then a free one is taken"
        )
    raise BadInput(
        f"--port {port} cannot be used ({reason}); give a number from 1024 to 65535, or leave it "
        "out"
    )


def _url(port: int, token: str) -> str:
    return f"http://{HOST}:{port}/{token}/"
