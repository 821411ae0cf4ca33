"""Keep everybody but the page that was opened with the token out of the server."""

from __future__ import annotations

import re
import secrets
from typing import TypeGuard
from urllib.parse import urlsplit

LOCAL_NAMES = ("127.0.0.1", "localhost")
# of every answer: nothing from elsewhere is loaded, nobody frames the page, its address is told to
# nobody
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src "
    "'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


# Random bytes of a token, and what they look like in an address.
TOKEN_BYTES = 24
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")


def new_token() -> str:
    """Return 192 random bits, fit for a URL."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def is_token(value: object) -> TypeGuard[str]:
    """Say whether `value` has the form of a token that `new_token` makes."""
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def refusal(path: str, host: str, origin: str | None, token: str) -> str | None:
    """Return a sentence that says why a request is not answered; None to answer it.

    `path` must be below /TOKEN/. The name in the header Host must be this machine's: a page
    elsewhere whose name was made to point here (DNS rebinding) sends its own. An Origin, which
    browsers send with whatever a page sends, must be ours.
    """
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        name = None
    if name not in LOCAL_NAMES:
        return "this server answers to 127.0.0.1 only; open the address it printed"
    if origin is not None and origin != f"http://{host}":
        return "this request comes from another page; open the address the server printed"
    given = path.split("/", 2)[1] if path.startswith("/") else ""
    if not secrets.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode()):
        return "the token in the address is missing or wrong; open the address the server printed"
    return None
