"""Pictures in a request: files of a form, or the bytes of one picture as the body."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from lightfast.library.uploads import Upload
from lightfast.serve.auth.known import KnownViewer
from lightfast.serve.problems import HttpProblem
from lightfast.serve.service import Service

_BINARY = {"schema": {"type": "string", "format": "binary"}}
UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            },
            "image/jpeg": _BINARY,
            "image/png": _BINARY,
            "image/webp": _BINARY,
            "application/octet-stream": _BINARY,
        },
    }
}
"""What OpenAPI says of a body that `uploads_of` reads."""
_ONE = ("image/", "application/octet-stream")
_SEND = "Send files as multipart/form-data, or one picture as the body with its content type (image/jpeg …)."


def brings_one_picture(request: Request) -> bool:
    """Whether the body is to be one picture's bytes."""
    return request.headers.get("content-type", "").lower().startswith(_ONE)


async def uploads_of(request: Request, _person: KnownViewer) -> list[Upload]:
    """The pictures that a request brings, at least one; raises HttpProblem 4xx for others, and for too many
    or too large ones. It depends on the person so that nothing is read of what nobody sends; a route that
    needs a higher role names its person before its uploads.
    """
    service: Service = request.app.state.service
    kind = request.headers.get("content-type", "").lower()
    if kind.startswith("multipart/form-data"):
        found = await _of_form(request, service)
    elif brings_one_picture(request):
        name = request.query_params.get("name", "picture")[:200]
        found = [Upload(name, await _body(request, service.settings.limits.file_bytes))]
    else:
        raise HttpProblem(415, "the request brings no picture", cure=_SEND)
    if not found or not all(one.data for one in found):
        raise HttpProblem(
            422, "a picture without any bytes" if found else "the form has no files", cure=_SEND
        )
    return found


Uploads = Annotated[list[Upload], Depends(uploads_of)]


def _too_large(said: str, most: int) -> HttpProblem:
    return HttpProblem(413, said, cure=f"At most {most} bytes a picture.")


async def _body(request: Request, most: int) -> bytes:
    """The body of at most so many bytes, which is read no further than that."""
    found = bytearray()
    async for part in request.stream():
        found += part
        if len(found) > most:
            raise _too_large(f"the picture has more than {most} bytes", most)
    return bytes(found)


async def _of_form(request: Request, service: Service) -> list[Upload]:
    limits = service.settings.limits
    try:
        async with request.form(max_files=limits.pictures, max_fields=limits.pictures) as form:
            files = [one for _, one in form.multi_items() if isinstance(one, UploadFile)]
            large = [one for one in files if (one.size or 0) > limits.file_bytes]
            if large:
                said = f"{(large[0].filename or 'a file')[:200]} has {large[0].size} bytes"
                raise _too_large(said, limits.file_bytes)
            return [Upload((one.filename or "picture")[:200], await one.read()) for one in files]
    except HTTPException as error:
        # Starlette says 400 for what it cannot read, and for more files than are allowed.
        cure = f"At most {limits.pictures} files at a time. {_SEND}"
        raise HttpProblem(error.status_code, str(error.detail), cure=cure) from error
