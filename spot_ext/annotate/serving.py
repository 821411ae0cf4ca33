"""Runs the page's server on this machine."""

from __future__ import annotations

import logging
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

import uvicorn

from ltr.admin.errors import BadInput
from ltr.io.files import require_place
from spot_ext.annotate.address import Address, answers
from spot_ext.annotate.app import create_app
from spot_ext.annotate.session import Session

logger = logging.getLogger(__name__)

# Seconds that the page may take until it answers first.
START_TIME = 30


def serve(
    session: Session,
    port: int | None = None,
    open_browser: bool = True,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve the page until Ctrl-C. `port` None: the one before, else the first free one from 8765;
    0: any.

    `announce(url)` is called when the server answers.
    """
    _check_writable(session.boxes.path)
    address = Address(session.boxes.path, port)
    config = uvicorn.Config(
        create_app(session, address.token),
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    threading.Thread(
        target=_when_it_answers, args=(address, open_browser, announce), daemon=True
    ).start()
    try:
        server.run(sockets=[address.socket])
    except KeyboardInterrupt:  # the usual way to end; uvicorn has finished the requests under way
        pass
    finally:
        address.close()


def _when_it_answers(
    address: Address, open_browser: bool, announce: Callable[[str], None] | None
) -> None:
    # The socket listens already: this waits for the first answer.
    answers(address.port, address.token, timeout=START_TIME)
    if announce is not None:
        announce(address.url)
    if open_browser and not webbrowser.open(address.url):
        logger.warning("no browser could be started; open the address above")


def _check_writable(path: Path) -> None:
    folder = path.resolve().parent
    if not folder.is_dir():
        raise BadInput(
            f"--boxes {path}: there is no folder {folder}; make it, or name another file"
        )
    require_place(path)
