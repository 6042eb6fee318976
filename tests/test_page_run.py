"""How benchmarks/page_run.py counts what its hand decides."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

PLACE = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def page_run() -> Iterator[ModuleType]:
    names = ("page_run", "persons_hour", "measured", "selection_sets")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PLACE)
        before = {name: sys.modules.pop(name, None) for name in names}
        yield importlib.import_module("page_run")
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update({name: module for name, module in before.items() if module})


def hand(page_run: ModuleType, errs: float = 0.0):
    class Sure(np.random.Generator):
        def random(self, *_):
            return 1.0 - errs

    person = page_run.Person(np.array([0, 0, 1, 1]), 2, Sure(np.random.PCG64(0)))
    return page_run.Hand(person, ("sea", "street"), sleep=lambda _: None)


def test_a_group_is_one_act_and_all_its_pictures(page_run: ModuleType):
    asked = {"single labels": 3, "confirmations": 5, "cluster labels": 2}
    found = page_run.counted(asked, 40, 100)
    assert (found["acts"], found["share_by_acts"]) == (10, 0.1)
    assert (found["pictures_decided"], found["share_by_pictures"]) == (48, 0.48)


def test_what_is_said_as_proposed_is_a_confirmation(page_run: ModuleType):
    one = hand(page_run)
    assert [one.names_picture(0, "sea"), one.names_picture(2, "sea"), one.names_picture(3, None)] == [
        "sea",
        "street",
        "street",
    ]
    assert dict(one.person.asked) == {"confirmations": 1, "single labels": 2}
    assert one.seconds == pytest.approx(3 * page_run.THOUGHT["picture"])


def test_a_mixed_group_is_looked_at_and_left(page_run: ModuleType):
    one = hand(page_run)
    assert one.names_group(np.array([0, 1, 2, 3])) is None
    assert one.names_group(np.array([2, 3])) == "street"
    assert one.asked["groups left"] == 1
    assert dict(one.person.asked) == {"cluster labels": 1}
    thought = page_run.THOUGHT
    assert one.seconds == pytest.approx(2 * thought["group"] + thought["name"])


def test_who_errs_gives_another_class(page_run: ModuleType):
    assert hand(page_run, errs=1.0).names_picture(0, None) == "street"


def test_the_folder_says_nothing_of_the_classes(page_run: ModuleType, tmp_path: Path):
    for name in ("sea", "street"):
        (tmp_path / "from" / name).mkdir(parents=True)
        (tmp_path / "from" / name / "a.jpg").write_bytes(name.encode())
    truth = page_run.flat_folder(tmp_path / "from", tmp_path / "to", 2, 0)
    assert sorted(truth) == ["IMG_00000.jpg", "IMG_00001.jpg"]
    assert {name: (tmp_path / "to" / name).read_text() for name in truth} == truth
