"""Pictures in a request: files of a form, or the bytes of one picture as the body."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from lightfast.library.uploads import Upload
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
_SEND = "Send files as multipart/form-data, or one picture as the body with its content type (image/jpeg …)."


async def uploads_of(request: Request) -> list[Upload]:
    """The pictures that a request brings, at least one; raises HttpProblem 4xx for others, and for too many
    or too large ones.
    """
    service: Service = request.app.state.service
    kind = request.headers.get("content-type", "").lower()
    if kind.startswith("multipart/form-data"):
        found = await _of_form(request, service)
    elif kind.startswith(("image/", "application/octet-stream")):
        name = request.query_params.get("name", "picture")[:200]
        found = [Upload(name, await request.body())]
    else:
        raise HttpProblem(415, "the request brings no picture", cure=_SEND)
    if not found or not all(one.data for one in found):
        raise HttpProblem(
            422, "a picture without any bytes" if found else "the form has no files", cure=_SEND
        )
    return found


Uploads = Annotated[list[Upload], Depends(uploads_of)]


async def _of_form(request: Request, service: Service) -> list[Upload]:
    limits = service.settings.limits
    try:
        async with request.form(max_files=limits.pictures, max_fields=limits.pictures) as form:
            files = [one for _, one in form.multi_items() if isinstance(one, UploadFile)]
            large = [one for one in files if (one.size or 0) > limits.file_bytes]
            if large:
                cure = f"At most {limits.file_bytes} bytes a picture."
                raise HttpProblem(
                    413, f"{(large[0].filename or 'a file')[:200]} has {large[0].size} bytes", cure=cure
                )
            return [Upload((one.filename or "picture")[:200], await one.read()) for one in files]
    except HTTPException as error:
        # Starlette says 400 for what it cannot read, and for more files than are allowed.
        cure = f"At most {limits.pictures} files at a time. {_SEND}"
        raise HttpProblem(error.status_code, str(error.detail), cure=cure) from error
