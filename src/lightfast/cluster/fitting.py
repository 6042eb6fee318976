"""One training on several machines: Ray Train starts the processes, THE loop divides the batches."""

from __future__ import annotations

import dataclasses
import logging
import math
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightfast.base.errors import ClusterError, LightfastError, SettingsError
from lightfast.base.files import make_folder
from lightfast.cluster.redo import Redo
from lightfast.data.images import ImageSet
from lightfast.models.checkpoint import Checkpoint
from lightfast.train.fit import fit
from lightfast.train.loop import STATE_FILE, LoopContext
from lightfast.train.recipe import Recipe, Training

if TYPE_CHECKING:
    from ray.train import FailureConfig

_FOLDER = ".training/cluster"


@dataclass(frozen=True)
class RayFit:
    """`train.fit.fit` in several processes over Ray Train and torch's DistributedDataParallel: gloo on CPUs,
    NCCL on graphics cards.

    The batch of the recipe is that of all processes together. When one of them is lost all begin again after
    the last finished epoch, where `training.folder` is seen by all machines.

    Attributes:
        redo: how often they begin again, and how often a place for all of them is waited for (a minute each).
        processes: None = one a graphics card; without cards one a machine with all its cores, and two on a
            single machine.
    """

    redo: Redo
    processes: int | None = None

    def __call__(
        self,
        train_images: ImageSet,
        val_images: ImageSet,
        *,
        model: str = "cnn",
        recipe: Recipe | None = None,
        config: Mapping[str, Any] | None = None,
        training: Training | None = None,
    ) -> Checkpoint:
        """Train the classifier called `model`, see `train.fit.fit`; the epochs are not told on the way.

        Raises what `fit` raises, SettingsError for fewer pictures in a batch than two a process and for
        more processes than there is room for, ClusterError when the processes are lost, or find no place,
        more often than is allowed.
        """
        import ray

        training = training or Training()
        _ = train_images.content_hashes  # worked out once here instead of in every process
        # Reporter and executor stay here: they need not be such as can be pickled.
        folder = None if training.folder is None else training.folder.absolute()
        quiet = Training(
            training.seed,
            training.device,
            folder,
            folder is not None,
            taxonomy=training.taxonomy,
            ruled_out=training.ruled_out,
        )
        if folder is not None and not training.resume:
            state = LoopContext.of(quiet, "classifier").folder
            (state or folder).joinpath(STATE_FILE).unlink(missing_ok=True)
        given = ray.put(
            ((train_images, val_images), {"model": model, "recipe": recipe, "config": config}, quiet)
        )
        place = (
            tempfile.TemporaryDirectory() if folder is None else nullcontext(make_folder(folder / _FOLDER))
        )
        with place as kept:
            found = self._run(given, Path(kept), training.device)
        if isinstance(found, LightfastError):
            raise found
        return found

    def _run(self, given: Any, kept: Path, device: str) -> Checkpoint | LightfastError:
        import ray
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer
        from ray.train.v2.api.exceptions import TrainingFailedError

        logging.getLogger("ray.train").setLevel(logging.ERROR)
        processes, cores, cards = _places(
            self.processes, device, [one["Resources"] for one in ray.nodes() if one["Alive"]]
        )
        trainer = TorchTrainer(
            _fit_together,
            train_loop_config={"given": [given]},
            torch_config=TorchConfig(backend="nccl" if cards else "gloo"),
            scaling_config=ScalingConfig(
                num_workers=processes,
                use_gpu=bool(cards),
                resources_per_worker={"CPU": cores, **({"GPU": 1} if cards else {})},
            ),
            run_config=RunConfig(name="fit", storage_path=str(kept), failure_config=_failures(self.redo)),
        )
        try:
            found: Any = trainer.fit()
        except TrainingFailedError as error:
            why = " ".join(str(error).split())
            raise ClusterError(
                f"the training did not end, begun again at most {self.redo.times} times ({why[:200]})",
                cure="See the cluster's logs, and that `out` is a folder that all machines see; "
                "`resume` goes on where it was.",
            ) from error
        return found.return_value


def _failures(redo: Redo) -> FailureConfig:
    """Everything that Ray Train counts apart is bounded: unless told, it begins for ever where processes find
    no place, or a machine says before that it goes.
    """
    from ray.train import FailureConfig

    return FailureConfig(
        max_failures=redo.times, controller_failure_limit=redo.times, max_preemption_failures=redo.times
    )


def _places(
    processes: int | None, device: str, machines: Sequence[Mapping[str, float]]
) -> tuple[int, int, int]:
    """(processes, cores of each, cards in all that are used) on machines of these resources.

    Raises SettingsError for more processes than there is room for.
    """
    machines = [one for one in machines if one.get("CPU", 0) >= 1]
    cards = 0 if device == "cpu" else int(sum(one.get("GPU", 0) for one in machines))
    if cards:
        processes = processes or cards
        _require_room(processes, cards, "one a graphics card")
        return processes, 1, cards
    if device == "cuda":
        raise SettingsError("`device` cuda", expected="a cluster with cards", cure="Use cpu or auto.")
    fewest, count = int(min((one["CPU"] for one in machines), default=1)), max(1, len(machines))
    processes = processes or max(count, min(2, fewest))
    # So many on one machine: where cores of several were added up, a process could need those of two.
    each = math.ceil(processes / count)
    _require_room(processes, fewest * count, f"{fewest} on each of {count} machines")
    return processes, fewest // each, 0


def _require_room(processes: int, room: int, how: str) -> None:
    if processes > room:
        raise SettingsError(
            f"{processes} processes",
            expected=f"at most {room}, {how}",
            cure="Use fewer processes, or more machines.",
        )


def _fit_together(config: Mapping[str, Any]) -> Checkpoint | LightfastError:
    """What every process does; what the first gives is taken."""
    import ray
    import torch
    from ray.train.torch import get_device
    from torch import nn

    given: Any = ray.get(config["given"][0])
    (train_images, val_images), how, training = given
    device = get_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    training = dataclasses.replace(training, device=device.type)
    try:
        fitted = fit(train_images, val_images, training=training, **how)
    except LightfastError as error:
        # Every process meets it, or is told of it (`train.ranks`); beginning again would meet it again.
        return error
    if isinstance(fitted.network, nn.Module):
        # The machine that is given it need not have a card.
        fitted.network.to("cpu")
    return fitted
