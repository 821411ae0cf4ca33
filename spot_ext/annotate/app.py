"""The HTTP interface of the annotation page; docs/annotate.md lists its routes."""

from __future__ import annotations

import json
import logging
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.io.files import CannotWrite, DiskFull
from spot_ext.annotate.access import HEADERS, refusal
from spot_ext.annotate.box_file import Edit
from spot_ext.annotate.limits import frame_number
from spot_ext.annotate.session import Session

logger = logging.getLogger(__name__)

LARGEST_BODY = 8 << 20  # bytes of one request: some 50,000 boxes
MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def create_app(session: Session, token: str) -> Starlette:
    """The application for one session; every path begins with /TOKEN/."""

    def page(request: Request) -> Response:
        return _asset("index.html")

    def asset(request: Request) -> Response:
        return _asset(request.path_params["name"])

    def state(request: Request) -> Response:
        return JSONResponse(session.overview())

    def ping(request: Request) -> Response:
        return JSONResponse({"alive": True})

    def video(request: Request) -> Response:
        return JSONResponse(session.video_state(_query(request, "video")))

    def frame(request: Request) -> Response:
        frame_id = frame_number(_query(request, "frame"))
        data, media_type = session.image(_query(request, "video"), frame_id)
        return Response(
            data, media_type=media_type, headers={"Cache-Control": "private, max-age=3600"}
        )

    async def edits(request: Request) -> Response:
        body = await _body(request)
        # Thousands of boxes take a moment; other requests do not wait for it. BadValue is answered
        # with 400: trying again is no use.
        changes = await run_in_threadpool(_changes, session, body)
        try:
            progress = await run_in_threadpool(session.save, changes)
            return JSONResponse({"saved": True, "videos": progress})
        # A full disk is an OSError and BadInput, too.
        except OSError as error:
            return _disk_error(request, error)
        # Somebody made the box file unreadable. Once it is right again, the change is taken.
        except BadInput as error:
            return _error(str(error), 409)

    api = [
        Route("/ping", ping),
        Route("/state", state),
        Route("/video", video),
        Route("/frame", frame),
        Route("/edits", edits, methods=["POST"]),
    ]
    routes = [
        Mount(
            f"/{token}",
            routes=[Route("/", page), Route("/page/{name}", asset), Mount("/api", routes=api)],
        )
    ]
    errors: dict[Any, Any] = {
        BadInput: _bad_input,
        OSError: _disk_error,
        HTTPException: _http_error,
    }
    app = Starlette(routes=routes, exception_handlers=errors)
    app.add_middleware(_Guard, token=token)
    return app


class _Guard:
    """Answers 403 to whoever has not the token or comes from elsewhere, and sets the headers of
    every answer.
    """

    def __init__(self, app, token: str):
        self.app, self.token = app, token

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        reason = refusal(
            scope["path"],
            request.headers.get("host", ""),
            request.headers.get("origin"),
            self.token,
        )
        answer = self.app if reason is None else _error(reason, 403)

        async def send_with_headers(message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in message["headers"]}
                added = {**HEADERS, "Cache-Control": "no-store"}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.lower().encode(), value.encode())
                        for name, value in added.items()
                        if name.lower().encode() not in names
                    ),
                ]
            await send(message)

        await answer(scope, receive, send_with_headers)


def _asset(name: str) -> Response:
    """A file of the page; the names are those of the package's own files, so no path leads out."""
    folder = resources.files("spot_ext.annotate") / "page"
    if name not in {file.name for file in folder.iterdir()}:
        raise HTTPException(404)
    return Response((folder / name).read_bytes(), media_type=MEDIA_TYPES[name.rpartition(".")[2]])


def _query(request: Request, name: str) -> str:
    if name not in request.query_params:
        raise BadValue(
            f"{request.url.path.rpartition('/')[2]}: the address has no {name}=…; add it"
        )
    return request.query_params[name]


def _changes(session: Session, body: bytes) -> list[Edit]:
    """Return the changes that a request holds; BadValue where there are none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadValue(f"this is not JSON ({error}); nothing was changed") from None
    return session.parsed(content.get("edits") if isinstance(content, dict) else None)


async def _body(request: Request) -> bytes:
    """Return the body of a request that sends JSON."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise BadValue("send JSON, with Content-Type: application/json")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise BadValue(
                f"more than {LARGEST_BODY >> 20} MB in one request; send fewer changes at once"
            )
    return bytes(body)


def _error(text: str, status: int) -> Response:
    return JSONResponse({"error": text}, status_code=status)


def _bad_input(request: Request, error: BadInput) -> Response:
    return _error(str(error), 404 if isinstance(error, MissingFile) else 400)


def _disk_error(request: Request, error: OSError) -> Response:
    logger.error("%s", error)
    if isinstance(error, DiskFull):
        return _error(
            f"the disk of {error.path} is full; make room, the page keeps the change", 507
        )
    if isinstance(error, CannotWrite):
        return _error(f"{error}; the page keeps the change", 507)
    where = f" {error.filename}" if error.filename else ""
    return _error(
        f"the disk refused{where} ({error.strerror or error}); make room or check its rights, the "
        "page keeps the "
        "change",
        507,
    )


def _http_error(request: Request, error: HTTPException) -> Response:
    return _error(
        f"{request.method} {request.url.path.rpartition('/')[2]}: {error.detail}; "
        "docs/annotate.md lists the routes",
        error.status_code,
    )
