"""`/api/predict`: what the model sees in pictures or drawings that are sent, or in the library's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from fastapi.routing import APIRoute
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from lightfast.base.png import png
from lightfast.data.decode.unreadable import UnreadablePicture
from lightfast.data.stroke_pictures import stroke_picture
from lightfast.data.strokes import checked_drawing
from lightfast.library.access import files_of
from lightfast.library.browse import require_visible
from lightfast.library.people.client_view import client_words
from lightfast.library.uploads import Upload
from lightfast.serve.api.assets import moved_file
from lightfast.serve.api.fields import RowId, ShownName
from lightfast.serve.api.uploads import UPLOAD_BODY, Uploads, brings_one_picture, uploads_of
from lightfast.serve.auth.known import KnownViewer, known_viewer
from lightfast.serve.auth.person import Person, Viewer
from lightfast.serve.inference import HeldModel, Overloaded
from lightfast.serve.problems import HttpProblem
from lightfast.serve.service import Served, Service

_LOOK_SECONDS = 0.5
"""After which it is looked whether a caller whose answer takes so long is still there."""
Coordinate = Annotated[float, Field(ge=-1e6, le=1e6)]
_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class OnePictureRoute(APIRoute):
    """The route to which pictures are sent. One picture as the body is answered without FastAPI's walk
    through dependencies and schemas, which cost as much as a small network: by the same steps in the same
    order.
    """

    def get_route_handler(self) -> _Handler:
        """The handler, with the short way before it."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            if not brings_one_picture(request):
                return await handle(request)
            person = await known_viewer(request)
            try:
                options = PredictOptions.model_validate(dict(request.query_params))
            except ValidationError:
                # It says what does not fit.
                return await handle(request)
            uploads = await uploads_of(request, person)
            found = await _predicted(request, person, options, uploads, [None])
            return Response(found.model_dump_json(), media_type="application/json")

        return answer


predict_routes = APIRouter(prefix="/api/predict", tags=["predict"], route_class=OnePictureRoute)
predict_asset_routes = APIRouter(prefix="/api/predict", tags=["predict"])


class PredictOptions(BaseModel):
    """How much is answered."""

    top: Annotated[int, Field(ge=1, le=1_000, description="So many labels at most.")] = 5
    threshold: Annotated[
        float, Field(ge=0, le=1, description="Labels below this probability are left out.")
    ] = 0
    client: Annotated[
        ShownName | None,
        Field(description="Labels in this client's words; a client's own viewer gets always its own."),
    ] = None


class LabelProbability(BaseModel):
    """A label with the model's probability."""

    label: str
    probability: float


class PicturePrediction(BaseModel):
    """What the model sees in one picture; `unreadable` says why it could not look."""

    name: str
    asset_id: int | None = None
    labels: list[LabelProbability] = []
    unreadable: str | None = None


class PredictAnswer(BaseModel):
    """Predictions in the order of the pictures, and which model made them."""

    model: str
    model_id: int | None
    task: str
    items: list[PicturePrediction]


class AssetNumbers(BaseModel):
    """Pictures of the library."""

    asset_ids: Annotated[list[RowId], Field(min_length=1, max_length=256, examples=[[1, 2]])]


class SentDrawing(BaseModel):
    """A drawing as strokes, in the order of drawing; x to the right, y down, in any unit."""

    strokes: Annotated[
        list[Annotated[list[tuple[Coordinate, Coordinate]], Field(min_length=1, max_length=10_000)]],
        Field(min_length=1, max_length=1_000, examples=[[[(10, 10), (90, 80)], [(90, 10), (10, 80)]]]),
    ]
    ink: Annotated[
        Literal["white", "black"],
        Field(description="White on black, as drawings are learnt from, or black on white."),
    ] = "white"


@predict_routes.post("", openapi_extra=UPLOAD_BODY)
async def predict_uploads(
    request: Request, options: Annotated[PredictOptions, Query()], person: KnownViewer, uploads: Uploads
) -> PredictAnswer:
    """Predict pictures that are sent; nothing of them is kept."""
    return await _predicted(request, person, options, uploads, [None] * len(uploads))


@predict_asset_routes.post("/assets")
async def predict_assets(
    request: Request,
    wanted: AssetNumbers,
    options: Annotated[PredictOptions, Query()],
    served: Served,
    person: Viewer,
) -> PredictAnswer:
    """Predict pictures of the library."""
    uploads = await run_in_threadpool(_read, served, person, wanted.asset_ids)
    return await _predicted(request, person, options, uploads, wanted.asset_ids)


@predict_asset_routes.post("/strokes")
async def predict_sent_strokes(
    request: Request,
    drawing: SentDrawing,
    options: Annotated[PredictOptions, Query()],
    served: Served,
    person: Viewer,
) -> PredictAnswer:
    """Predict a drawing that is sent as strokes: framed, painted and read as those that a run learns from."""
    upload = await run_in_threadpool(_painted, served, drawing)
    return await _predicted(request, person, options, [upload], [None])


async def _predicted(
    request: Request,
    person: Person,
    options: PredictOptions,
    uploads: Sequence[Upload],
    numbers: Sequence[int | None],
) -> PredictAnswer:
    served: Service = request.app.state.service
    client = person.client or options.client
    words = await run_in_threadpool(_words, served, client) if client else None
    # The last before it is asked: one that was held while a database was waited for may be closed by then.
    held = served.model.ready or await run_in_threadpool(served.model.current)
    found = await _awaited(request, _asked(held, uploads))
    items = [
        _item(held, options, words, (upload.name, number), probs)
        for upload, number, probs in zip(uploads, numbers, found, strict=True)
    ]
    served.metrics.predictions.inc(len(items))
    return PredictAnswer(
        model=held.tagger.card.model, model_id=held.model_id, task=held.tagger.card.task, items=items
    )


def _asked(held: HeldModel, uploads: Sequence[Upload]) -> list[asyncio.Future[NDArray[np.float32]]]:
    """The answers to be. Raises HttpProblem 503 where there is no room for all, of which none is computed."""
    waiting: list[asyncio.Future[NDArray[np.float32]]] = []
    try:
        for one in uploads:
            waiting.append(held.batcher.ask(one))  # noqa: PERF401  those before a refusal are to be known
    except Overloaded as error:
        for one in waiting:
            one.cancel()
        raise HttpProblem(
            503, "too many pictures wait", cure="Try again.", headers={"Retry-After": "1"}
        ) from error
    return waiting


async def _awaited(
    request: Request, waiting: Sequence[asyncio.Future[NDArray[np.float32]]]
) -> list[NDArray[np.float32] | BaseException]:
    """What comes of them all. Where the caller goes away meanwhile, what is not begun yet is given up."""
    left = set(waiting)
    try:
        while left:
            _, left = await asyncio.wait(left, timeout=_LOOK_SECONDS)
            if left and await request.is_disconnected():
                raise HttpProblem(499, "the caller is gone", cure="Ask again, and wait for the answer.")
        return [one.exception() or one.result() for one in waiting]
    finally:
        for one in left:
            one.cancel()


def _painted(served: Service, drawing: SentDrawing) -> Upload:
    """The drawing as a PNG of the model's own size (its longer side), which decoding then leaves alone."""
    side = max(served.model.current().tagger.card.image_shape[:2])
    strokes = checked_drawing(np.array(stroke, dtype=np.float32) for stroke in drawing.strokes)
    picture = stroke_picture(strokes, side)
    return Upload("drawing.png", png(picture if drawing.ink == "white" else 255 - picture))


def _item(
    held: HeldModel,
    options: PredictOptions,
    words: dict[str, str] | None,
    sent: tuple[str, int | None],
    probs: NDArray[np.float32] | BaseException,
) -> PicturePrediction:
    name, number = sent
    if isinstance(probs, UnreadablePicture):
        return PicturePrediction(name=name, asset_id=number, unreadable=probs.reason)
    if isinstance(probs, BaseException):
        raise probs
    labels = _labels(held.tagger.card.class_names, probs, options, words)
    return PicturePrediction(name=name, asset_id=number, labels=labels)


def _labels(
    names: Sequence[str], probs: NDArray[np.float32], options: PredictOptions, words: dict[str, str] | None
) -> list[LabelProbability]:
    """The most probable labels; of a client's words those that it has."""
    order: list[int] = np.argsort(-probs, kind="stable").tolist()
    if words is None:
        sure = [(names[at], float(probs[at])) for at in order[: options.top]]
    else:
        sure = [(words[names[at]], float(probs[at])) for at in order if names[at] in words]
    found = [(name, value) for name, value in sure if value >= options.threshold]
    return [LabelProbability(label=name, probability=value) for name, value in found[: options.top]]


def _words(served: Service, client: str) -> dict[str, str]:
    with served.library.store.read() as connection:
        found = client_words(connection, client)
    if not found:
        raise HttpProblem(
            404, f"no client {client!r} has names for labels", cure="Add them at POST /api/labels."
        )
    return found


def _read(served: Service, person: Person, numbers: Sequence[int]) -> list[Upload]:
    with served.library.store.read() as connection:
        for number in numbers:
            require_visible(connection, number, person.client)
        files = files_of(served.library, connection, numbers)
    lost = [number for number in numbers if number not in files]
    if lost:
        raise moved_file(lost[0])
    return [Upload(f"picture {number}", files[number].read_bytes()) for number in numbers]
