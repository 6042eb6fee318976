"""Figures of a server for Prometheus. Of several processes each tells the sum: prometheus_client then keeps
the counters in files, in the folder that its environment variable names.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where the processes of one service keep their counters: prometheus_client's own name."""
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0)


class Metrics:
    """The counters of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "lightfast_requests", "Requests.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "lightfast_request_seconds",
            "Time a request took.",
            ["route"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.running = Gauge(
            "lightfast_requests_running",
            "Requests under work.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        up = Gauge(
            "lightfast_process_up",
            "1 for every process that answers.",
            registry=self.registry,
            multiprocess_mode="liveall",
        )
        up.set(1)
        self.predictions = Counter("lightfast_predictions", "Pictures predicted.", registry=self.registry)
        self.batches = Histogram(
            "lightfast_batch_pictures",
            "Pictures a batch.",
            registry=self.registry,
            buckets=(1, 2, 4, 8, 16, 32),
        )
        self.decisions = Counter("lightfast_decisions", "Acts of reviewers.", registry=self.registry)

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        if METRICS_FOLDER not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together)
        return generate_latest(together)


def forget_dead() -> None:
    """Take out what processes had under work that are no more; what they counted stays."""
    folder = os.environ.get(METRICS_FOLDER)
    # On Windows there are no several processes, and to ask for one by a signal would end it.
    if folder is None or sys.platform == "win32":
        return
    for path in Path(folder).glob("gauge_live*_*.db"):
        number = int(path.stem.rpartition("_")[2])
        if not _lives(number):
            # Processes that start together find the same dead one: another may have been quicker.
            with contextlib.suppress(FileNotFoundError):
                multiprocess.mark_process_dead(number)


def _lives(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # It is there, and somebody else's.
        return True
    return True


class MeasuredApp:
    """ASGI middleware: counts and times every request by its route, never by its address."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self.metrics.running.track_inprogress():
            try:
                await self.app(scope, receive, noted)
            finally:
                route = getattr(scope.get("route"), "path", "other")
                self.metrics.requests.labels(scope["method"], route, str(status)).inc()
                self.metrics.seconds.labels(route).observe(time.perf_counter() - began)
