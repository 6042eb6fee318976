"""The studies by name: each registers itself on import."""

from __future__ import annotations

from lightfast.base.errors import SettingsError
from lightfast.studies.registry import STUDIES, Study, StudyOptions, StudyResult


def find_study(name: str) -> Study:
    """The study called `name`; raises UnknownName with the closest names."""
    # Imported here because each study registers itself on import.
    import lightfast.studies.assets.study
    import lightfast.studies.emnist.study
    import lightfast.studies.mnist_c.study
    import lightfast.studies.perturbations.study
    import lightfast.studies.quickdraw.study
    import lightfast.studies.svhn.study  # noqa: F401

    return STUDIES.get(name)


def run_study(name: str, options: StudyOptions) -> StudyResult:
    """Run the study called `name`; raises UnknownName with the closest names,
    SettingsError at a scale that the study has not, for a `reader` that it does not take, and for weights
    to fetch where it takes none.
    """
    study = find_study(name)
    if options.scale not in study.scales:
        raise SettingsError(
            f"study {study.name}",
            expected=f"`scale` {' or '.join(study.scales)}",
            got=f"`scale` {options.scale}",
            cure=f"Use `scale` {study.scales[-1]} for the figures to quote.",
        )
    if options.reader and not study.takes_reader:
        raise SettingsError(
            f"study {study.name} trains its own classifiers",
            expected="no `reader`",
            got=options.reader,
            cure="Leave it out; mnist-c takes one.",
        )
    if options.fetch_weights and not study.fetches:
        raise SettingsError(
            f"study {study.name}: `fetch_weights`",
            expected="a study with rows that need published weights",
            cure="Leave it out, or run the study assets.",
        )
    return study.run(options)
