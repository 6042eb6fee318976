"""Lightfast: image classifiers that keep their sight.

The public verbs and records, each loaded when it is first used (SPEC 1).
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# What Python calls it → "module:name".
_PUBLIC = {
    # pictures
    "ImageSet": "data.images:ImageSet",
    "Ingest": "data.ingest:Ingest",
    "LoadedData": "data.dataset:LoadedData",
    "Splits": "data.splits:Splits",
    "Taxonomy": "data.taxonomy.taxonomy:Taxonomy",
    "check": "data.check:check",
    "fetch_files": "data.catalogue.catalogue:fetch_files",
    "load_dataset": "data.catalogue.catalogue:load_dataset",
    "near_duplicates": "data.duplicates.search:near_duplicates",
    "read": "data.ingest:read",
    "load_taxonomy": "data.taxonomy.taxonomy:load_taxonomy",
    "save_folder": "data.export:save_folder",
    "save_npz": "data.export:save_npz",
    "split": "data.splits:split",
    # damage
    "corrupt": "corrupt.suite:corrupt",
    "corrupt_array": "corrupt.suite:corrupt_array",
    "damage_mixture": "corrupt.suite:damage_mixture",
    # classifiers
    "Checkpoint": "models.checkpoint:Checkpoint",
    "Recipe": "train.recipe:Recipe",
    "Training": "train.recipe:Training",
    "calibrate": "evaluate.predict:calibrate",
    "choose_model": "experiments.auto:choose_model",
    "fit": "train.fit:fit",
    "load_checkpoint": "models.load:load_checkpoint",
    # predictions and their scores
    "Evaluation": "evaluate.metrics:Evaluation",
    "PairedTest": "evaluate.compare:PairedTest",
    "Predictions": "evaluate.predictions:Predictions",
    "TagEvaluation": "evaluate.tags:TagEvaluation",
    "TagPredictions": "evaluate.tag_predictions:TagPredictions",
    "choose_thresholds": "evaluate.thresholds:choose_thresholds",
    "compare": "evaluate.compare_many:compare",
    "evaluate": "evaluate.predict:evaluate",
    "mcnemar": "evaluate.compare:mcnemar",
    "predict": "evaluate.predict:predict",
    "predict_tags": "evaluate.predict:predict_tags",
    "score": "evaluate.metrics:score",
    "score_tags": "evaluate.tags:score_tags",
    # judging
    "Comparison": "evaluate.compare_many:Comparison",
    "CrossValidation": "experiments.crossval:CrossValidation",
    "FoldOptions": "experiments.crossval:FoldOptions",
    "LearningCurve": "statistics.learning_curve:LearningCurve",
    "PointResult": "experiments.sweep:PointResult",
    "ClassifierPlan": "train.fit:ClassifierPlan",
    "SweepPoint": "experiments.sweep:SweepPoint",
    "Regression": "statistics.regression:Regression",
    "cohen_kappa": "statistics.agreement:cohen_kappa",
    "cross_validate": "experiments.crossval:cross_validate",
    "fit_learning_curve": "statistics.learning_curve:fit_learning_curve",
    "ols": "statistics.regression:ols",
    "run_points": "experiments.sweep:run_points",
    # tagging fast, and taking it away
    "Tagger": "tagging.runtime:Tagger",
    "export_graph": "export.graph:export_graph",
    "load_tagger": "tagging.runtime:load_tagger",
    # why, and whether that can be believed
    "Attribution": "explain.attribution:Attribution",
    "deletion_insertion": "explain.faithfulness:deletion_insertion",
    "difference": "explain.difference:difference",
    "explain": "explain.attribution:explain",
    "feature_maps": "explain.features:feature_maps",
    "randomisation_check": "explain.randomisation:randomisation_check",
    # picture changes that help a frozen classifier
    "EnhancerPlan": "restore.enhance:EnhancerPlan",
    "fit_enhancer": "restore.enhance:fit_enhancer",
    "paper_enhancer_plan": "restore.enhance:paper_enhancer_plan",
    "prepend_enhancer": "models.enhanced:prepend_enhancer",
    # repair
    "Damage": "restore.detector:Damage",
    "DamageMix": "restore.pairs:DamageMix",
    "DetectorPlan": "restore.detector:DetectorPlan",
    "Pipeline": "restore.pipeline:Pipeline",
    "Repair": "restore.pipeline:Repair",
    "RestorerPlan": "restore.denoise:RestorerPlan",
    "RepairCalibration": "restore.pipeline:RepairCalibration",
    "calibrate_pipeline": "restore.pipeline:calibrate_pipeline",
    "detect": "restore.detector:detect",
    "fit_detector": "restore.detector:fit_detector",
    "fit_restorer": "restore.denoise:fit_restorer",
    "repair": "restore.pipeline:repair",
    "restore": "models.infer:restore_images",
    # errors
    "CheckpointError": "base.errors:CheckpointError",
    "DataError": "base.errors:DataError",
    "DownloadError": "base.errors:DownloadError",
    "InputError": "base.errors:InputError",
    "LightfastError": "base.errors:LightfastError",
    "SettingsError": "base.errors:SettingsError",
    "StorageError": "base.errors:StorageError",
    "TrainingError": "base.errors:TrainingError",
    "UnknownName": "base.errors:UnknownName",
}


def _public(name: str) -> Any:
    module, _, attribute = _PUBLIC[name].partition(":")
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)


class _Verb(ModuleType):
    """A room named like its verb: `lightfast.corrupt(...)` is the verb,
    `lightfast.corrupt.suite` a module of the room.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _public(self.__name__.rpartition(".")[2])(*args, **kwargs)

    @property
    def __signature__(self) -> Any:
        import inspect

        return inspect.signature(_public(self.__name__.rpartition(".")[2]))

    @property
    def __doc__(self) -> str | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        return _public(self.__name__.rpartition(".")[2]).__doc__


# Importing a submodule binds the room's name here, over whatever __getattr__ would give: so these rooms
# themselves can be called.
for _room in ("corrupt", "evaluate", "explain", "restore"):
    importlib.import_module(f"{__name__}.{_room}").__class__ = _Verb


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Kept, so that the next access is an ordinary one.
    value = globals()[name] = _public(name)
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


__all__ = [
    "Attribution",
    "Checkpoint",
    "CheckpointError",
    "ClassifierPlan",
    "Comparison",
    "CrossValidation",
    "Damage",
    "DamageMix",
    "DataError",
    "DetectorPlan",
    "DownloadError",
    "EnhancerPlan",
    "Evaluation",
    "FoldOptions",
    "ImageSet",
    "Ingest",
    "InputError",
    "LearningCurve",
    "LightfastError",
    "LoadedData",
    "PairedTest",
    "Pipeline",
    "PointResult",
    "Predictions",
    "Recipe",
    "Regression",
    "Repair",
    "RepairCalibration",
    "RestorerPlan",
    "SettingsError",
    "Splits",
    "StorageError",
    "SweepPoint",
    "TagEvaluation",
    "TagPredictions",
    "Tagger",
    "Taxonomy",
    "Training",
    "TrainingError",
    "UnknownName",
    "__version__",
    "calibrate",
    "calibrate_pipeline",
    "check",
    "choose_model",
    "choose_thresholds",
    "cohen_kappa",
    "compare",
    "corrupt",
    "corrupt_array",
    "cross_validate",
    "damage_mixture",
    "deletion_insertion",
    "detect",
    "difference",
    "evaluate",
    "explain",
    "export_graph",
    "feature_maps",
    "fetch_files",
    "fit",
    "fit_detector",
    "fit_enhancer",
    "fit_learning_curve",
    "fit_restorer",
    "load_checkpoint",
    "load_dataset",
    "load_tagger",
    "load_taxonomy",
    "mcnemar",
    "near_duplicates",
    "ols",
    "paper_enhancer_plan",
    "predict",
    "predict_tags",
    "prepend_enhancer",
    "randomisation_check",
    "read",
    "repair",
    "restore",
    "run_points",
    "save_folder",
    "save_npz",
    "score",
    "score_tags",
    "split",
]

if TYPE_CHECKING:
    from lightfast.base.errors import CheckpointError as CheckpointError
    from lightfast.base.errors import DataError as DataError
    from lightfast.base.errors import DownloadError as DownloadError
    from lightfast.base.errors import InputError as InputError
    from lightfast.base.errors import LightfastError as LightfastError
    from lightfast.base.errors import SettingsError as SettingsError
    from lightfast.base.errors import StorageError as StorageError
    from lightfast.base.errors import TrainingError as TrainingError
    from lightfast.base.errors import UnknownName as UnknownName
    from lightfast.corrupt.suite import corrupt as corrupt
    from lightfast.corrupt.suite import corrupt_array as corrupt_array
    from lightfast.corrupt.suite import damage_mixture as damage_mixture
    from lightfast.data.catalogue.catalogue import fetch_files as fetch_files
    from lightfast.data.catalogue.catalogue import load_dataset as load_dataset
    from lightfast.data.check import check as check
    from lightfast.data.dataset import LoadedData as LoadedData
    from lightfast.data.duplicates.search import near_duplicates as near_duplicates
    from lightfast.data.export import save_folder as save_folder
    from lightfast.data.export import save_npz as save_npz
    from lightfast.data.images import ImageSet as ImageSet
    from lightfast.data.ingest import Ingest as Ingest
    from lightfast.data.ingest import read as read
    from lightfast.data.splits import Splits as Splits
    from lightfast.data.splits import split as split
    from lightfast.data.taxonomy.taxonomy import Taxonomy as Taxonomy
    from lightfast.data.taxonomy.taxonomy import load_taxonomy as load_taxonomy
    from lightfast.evaluate.compare import PairedTest as PairedTest
    from lightfast.evaluate.compare import mcnemar as mcnemar
    from lightfast.evaluate.compare_many import Comparison as Comparison
    from lightfast.evaluate.compare_many import compare as compare
    from lightfast.evaluate.metrics import Evaluation as Evaluation
    from lightfast.evaluate.metrics import score as score
    from lightfast.evaluate.predict import calibrate as calibrate
    from lightfast.evaluate.predict import evaluate as evaluate
    from lightfast.evaluate.predict import predict as predict
    from lightfast.evaluate.predict import predict_tags as predict_tags
    from lightfast.evaluate.predictions import Predictions as Predictions
    from lightfast.evaluate.tag_predictions import TagPredictions as TagPredictions
    from lightfast.evaluate.tags import TagEvaluation as TagEvaluation
    from lightfast.evaluate.tags import score_tags as score_tags
    from lightfast.evaluate.thresholds import choose_thresholds as choose_thresholds
    from lightfast.experiments.auto import choose_model as choose_model
    from lightfast.experiments.crossval import CrossValidation as CrossValidation
    from lightfast.experiments.crossval import FoldOptions as FoldOptions
    from lightfast.experiments.crossval import cross_validate as cross_validate
    from lightfast.experiments.sweep import PointResult as PointResult
    from lightfast.experiments.sweep import SweepPoint as SweepPoint
    from lightfast.experiments.sweep import run_points as run_points
    from lightfast.explain.attribution import Attribution as Attribution
    from lightfast.explain.attribution import explain as explain
    from lightfast.explain.difference import difference as difference
    from lightfast.explain.faithfulness import deletion_insertion as deletion_insertion
    from lightfast.explain.features import feature_maps as feature_maps
    from lightfast.explain.randomisation import randomisation_check as randomisation_check
    from lightfast.export.graph import export_graph as export_graph
    from lightfast.models.checkpoint import Checkpoint as Checkpoint
    from lightfast.models.enhanced import prepend_enhancer as prepend_enhancer
    from lightfast.models.infer import restore_images as restore
    from lightfast.models.load import load_checkpoint as load_checkpoint
    from lightfast.restore.denoise import RestorerPlan as RestorerPlan
    from lightfast.restore.denoise import fit_restorer as fit_restorer
    from lightfast.restore.detector import Damage as Damage
    from lightfast.restore.detector import DetectorPlan as DetectorPlan
    from lightfast.restore.detector import detect as detect
    from lightfast.restore.detector import fit_detector as fit_detector
    from lightfast.restore.enhance import EnhancerPlan as EnhancerPlan
    from lightfast.restore.enhance import fit_enhancer as fit_enhancer
    from lightfast.restore.enhance import paper_enhancer_plan as paper_enhancer_plan
    from lightfast.restore.pairs import DamageMix as DamageMix
    from lightfast.restore.pipeline import Pipeline as Pipeline
    from lightfast.restore.pipeline import Repair as Repair
    from lightfast.restore.pipeline import RepairCalibration as RepairCalibration
    from lightfast.restore.pipeline import calibrate_pipeline as calibrate_pipeline
    from lightfast.restore.pipeline import repair as repair
    from lightfast.statistics.agreement import cohen_kappa as cohen_kappa
    from lightfast.statistics.learning_curve import LearningCurve as LearningCurve
    from lightfast.statistics.learning_curve import fit_learning_curve as fit_learning_curve
    from lightfast.statistics.regression import Regression as Regression
    from lightfast.statistics.regression import ols as ols
    from lightfast.tagging.runtime import Tagger as Tagger
    from lightfast.tagging.runtime import load_tagger as load_tagger
    from lightfast.train.fit import ClassifierPlan as ClassifierPlan
    from lightfast.train.fit import fit as fit
    from lightfast.train.recipe import Recipe as Recipe
    from lightfast.train.recipe import Training as Training
