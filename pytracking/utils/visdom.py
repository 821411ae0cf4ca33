"""Live view of a tracker in the browser: panels on a visdom server (`python -m visdom.server`, then
open its address).

A tracker shows what it has with `visdom.register(data, mode, debug_level, title)`. The panel `Block
List` switches panels on and off. The package visdom is imported when a connection is made, not
before.
"""

from __future__ import annotations

import functools
import json
import logging
import socket
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

from ltr.admin.errors import BadValue, NotConfigured, suggestion
from ltr.admin.installing import install_command
from pytracking.utils.visdom_panels import (
    VisBase,
    VisBBReg,
    VisCostVolume,
    VisCostVolumeUI,
    VisFeaturemap,
    VisHeatmap,
    VisImage,
    VisInfoDict,
    VisLinePlot,
    VisText,
    VisTracking,
)

__all__ = [
    "VisBBReg",
    "VisBase",
    "VisCostVolume",
    "VisCostVolumeUI",
    "VisFeaturemap",
    "VisHeatmap",
    "VisImage",
    "VisInfoDict",
    "VisLinePlot",
    "VisText",
    "VisTracking",
    "Visdom",
]

PANELS: dict[str, Callable[..., VisBase]] = {
    "image": VisImage,
    "heatmap": VisHeatmap,
    "cost_volume": VisCostVolume,
    "cost_volume_flip": functools.partial(VisCostVolume, flip=True),
    "cost_volume_ui": VisCostVolumeUI,
    "info_dict": VisInfoDict,
    "text": VisText,
    "lineplot": VisLinePlot,
    "Tracking": VisTracking,
    "bbreg": VisBBReg,
    "featmap": VisFeaturemap,
}
ANSWER_TIME = 2.0  # seconds a server may take to accept the connection
BLOCK_LIST = "block_list"

_log = logging.getLogger(__name__)


class Visdom:
    """The panels of one run.

    Args:
        debug: panels registered with a level up to this are shown at once, the others wait in
            `Block List`.
        ui_info: `{'handler': function, 'win_id': panel}`: called with the events (keys, …) of that
            panel.
        visdom_info: `{'server': '127.0.0.1', 'port': 8097}`.

    Raises:
        NotConfigured: visdom is not installed, or no server answers at that address.

    """

    def __init__(
        self, debug: int = 0, ui_info: dict | None = None, visdom_info: dict | None = None
    ):
        visdom_info = visdom_info or {}
        self.debug = debug
        self.visdom = connect(visdom_info.get("server", "127.0.0.1"), visdom_info.get("port", 8097))
        self.registered_blocks: dict[str, VisBase] = {}
        self.blocks_list: list[dict[str, Any]] = []
        self._lost = False
        self._lock = threading.RLock()  # events arrive in a thread of their own
        self.visdom.properties(self.blocks_list, opts={"title": "Block List"}, win=BLOCK_LIST)
        self.visdom.register_event_handler(self.block_list_callback_handler, BLOCK_LIST)
        if ui_info is not None:
            self.visdom.register_event_handler(ui_info["handler"], ui_info["win_id"])

    def register(
        self, data: Any, mode: str, debug_level: int = 0, title: str = "Data", **kwargs: Any
    ) -> None:
        """Show `data` in the panel `title`, which the first call makes, of the kind `mode` (see
        `PANELS`).

        When the server goes away, one warning is logged and the run continues without the panels.
        """
        if mode not in PANELS:
            raise BadValue(
                f"visdom panel '{title}': unknown mode '{mode}'{suggestion(mode, PANELS)}, use "
                "one of "
                f"{', '.join(PANELS)}"
            )
        if self._lost:
            return
        try:
            with self._lock:
                if title not in self.registered_blocks:
                    self._add(mode, debug_level, title)
                self.registered_blocks[title].update(data, **kwargs)
        except ConnectionError:
            self._lost = True
            _log.warning(
                "the visdom server at %s:%s does not answer any more; the run continues without "
                "its panels",
                self.visdom.server,
                self.visdom.port,
            )

    def _add(self, mode: str, debug_level: int, title: str) -> None:
        shown = self.debug >= debug_level
        self.registered_blocks[title] = PANELS[mode](self.visdom, shown, title)
        if mode != "Tracking":
            self.blocks_list.append({"type": "checkbox", "name": title, "value": shown})
            self._draw_block_list()

    def _draw_block_list(self) -> None:
        self.visdom.properties(self.blocks_list, opts={"title": "Block List"}, win=BLOCK_LIST)

    def block_list_callback_handler(self, data: dict[str, Any]) -> None:
        """An event of the panel `Block List`: a ticked box shows or hides its panel."""
        if data["event_type"] != "PropertyUpdate":
            return
        with self._lock:
            entry = self.blocks_list[data["propertyId"]]
            entry["value"] = (
                data["value"] if isinstance(data.get("value"), bool) else not entry["value"]
            )
            self.registered_blocks[entry["name"]].toggle_display(entry["value"])
            self._draw_block_list()


def connect(server: str, port: int):
    """Return a client of the visdom server; NotConfigured, with what to do, when there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the packages it uses
            import visdom
            import websocket
    except ImportError:
        raise NotConfigured(
            f"the live view needs the package visdom: {install_command('visdom')}"
        ) from None
    host = server.split("://")[-1].rstrip("/")
    try:
        # visdom itself would print tracebacks.
        socket.create_connection((host, int(port)), ANSWER_TIME).close()
    except OSError as error:
        raise NotConfigured(
            f"no visdom server answers at {server}:{port} ({error}) - start one with "
            "`python -m visdom.server`, or give --visdom_server and --visdom_port"
        ) from None
    for package in ("visdom", "websocket"):
        # They report every reconnection.
        logging.getLogger(package).setLevel(logging.CRITICAL)

    client = _client_class(visdom, websocket)
    return client(server=server, port=int(port), raise_exceptions=True)


def _client_class(visdom: Any, websocket: Any) -> Any:
    """Return a client of the two packages, which an installation may lack."""
    base: Any = visdom.Visdom

    class Client(base):
        """Events come in through a thread of ours: that of visdom 0.2.4 does not fit today's
        websocket-client.
        """

        def setup_socket(self, polling: bool = False) -> None:
            threading.Thread(target=self._listen, name="visdom events", daemon=True).start()

        def _listen(self) -> None:
            scheme = "wss" if self.server.startswith("https") else "ws"
            address = f"{scheme}://{self.server_base_name}:{self.port}{self.base_url}/vis_socket"
            while self.use_socket:
                websocket.WebSocketApp(
                    address, on_message=self._on_message, on_close=self._on_close
                ).run_forever()
                time.sleep(1)

        def _on_close(self, *reason: Any) -> None:
            self.socket_alive = False

        def _on_message(self, _app: Any, text: str) -> None:
            message = json.loads(text)
            if message.get("command") == "alive":
                self.socket_alive = self.socket_connection_achieved = True
            for handler in list(self.event_handlers.get(message.get("target"), ())):
                try:
                    handler(message)
                except ConnectionError:
                    return  # the next panel that is drawn says so
                except Exception:  # an event must not end the listening
                    _log.warning(
                        "event of the visdom panel '%s' failed",
                        message.get("target"),
                        exc_info=True,
                    )

    return Client
