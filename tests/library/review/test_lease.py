"""Nobody is shown a picture that another person has in hand."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from library.pictures import fill
from sqlalchemy import select, update

from lightfast.base.errors import SettingsError
from lightfast.library.library import Library
from lightfast.library.review import lease
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.review.lease import count_waiting, enqueue, lease_assets, lease_next, release
from lightfast.library.schema import decision_table, leases, queue_table
from lightfast.library.store import now


def _ids(entries) -> list[int]:
    return [one.asset_id for one in entries]


def test_the_most_doubtful_come_first_and_two_people_get_different_ones(library: Library):
    fill(library, 5)
    assert _ids(lease_next(library.store, 1, 2)) == [1, 2]
    assert _ids(lease_next(library.store, 2, 2)) == [3, 4]


def test_a_closed_browser_loses_nothing(library: Library):
    fill(library, 5)
    lease_next(library.store, 1, 2)
    assert _ids(lease_next(library.store, 1, 3)) == [1, 2, 3]


def test_a_lease_ends(library: Library):
    fill(library, 1)
    lease_next(library.store, 1)
    assert lease_next(library.store, 2) == ()
    with library.store.write() as connection:
        connection.execute(update(leases).values(expires_at=now()))
    assert _ids(lease_next(library.store, 2)) == [1]


def test_what_is_given_back_is_free(library: Library):
    fill(library, 2)
    lease_next(library.store, 1, 2)
    assert release(library.store, 1, [2]) == 1
    assert _ids(lease_next(library.store, 2)) == [2]


def test_a_picture_that_is_asked_about_twice_is_shown_once(library: Library):
    fill(library, 1)
    with library.store.write() as connection:
        enqueue(connection, [{"asset_id": 1, "source": "curate", "reason": "odd", "uncertainty": 0.5}])
        again = enqueue(
            connection, [{"asset_id": 1, "source": "curate", "reason": "odd", "uncertainty": 0.5}]
        )
    assert again == 0
    # Twice: the second time the picture is in hand.
    assert [_ids(lease_next(library.store, 1, 5)) for _ in range(2)] == [[1], [1]]


def test_a_picture_in_hand_with_several_questions_leaves_room_for_others(library: Library):
    fill(library, 2)
    row = {"asset_id": 1, "source": "tag", "reason": "odd", "uncertainty": 1.0}
    with library.store.write() as connection:
        enqueue(connection, [{**row, "label_id": label} for label in (1, 2)])
    assert [_ids(lease_next(library.store, 1, 2)) for _ in range(2)] == [[1, 2], [1, 2]]


def test_other_orders(library: Library):
    fill(library, 4)
    with library.store.write() as connection:
        for entry, (cluster, label) in enumerate([(2, 1), (1, 2), (2, 2), (1, 1)], start=1):
            here = update(queue_table).where(queue_table.c.id == entry)
            connection.execute(here.values(cluster=cluster, label_id=label))
    found = {}
    for order in ("cluster", "label", "newest"):
        found[order] = _ids(lease_next(library.store, 1, 4, order=order))
        release(library.store, 1)
    assert found == {"cluster": [2, 4, 1, 3], "label": [1, 4, 2, 3], "newest": [4, 3, 2, 1]}


@pytest.mark.parametrize("wrong", [{"count": 0}, {"order": "size"}])
def test_what_cannot_be_asked_for(library: Library, wrong: dict):
    with pytest.raises(SettingsError):
        lease_next(library.store, 1, **wrong)


def test_the_count_of_those_that_wait_stops_early(library: Library):
    fill(library, 4)
    with library.store.read() as connection:
        assert (count_waiting(connection), count_waiting(connection, most=3)) == (4, 3)


def test_reviewers_at_once_lose_nothing_and_double_nothing(library: Library):
    reviewers, pictures = 4, 60
    fill(library, pictures, users=reviewers)

    def review(user: int) -> list[int]:
        seen: list[int] = []
        for _ in range(pictures):
            entries = lease_next(library.store, user, 3)
            if not entries:
                break
            for one in entries:
                decide(library.store, user, [ReviewAct(one.asset_id, "confirm", 1, key=f"{user}-{one.id}")])
            seen += _ids(entries)
        return seen

    with ThreadPoolExecutor(reviewers) as pool:
        seen = list(pool.map(review, range(1, reviewers + 1)))
    with library.store.read() as connection:
        decided = connection.execute(select(decision_table.c.asset_id)).scalars().all()
    assert sorted(itertools.chain(*seen)) == sorted(decided) == list(range(1, pictures + 1))


def test_chosen_pictures_come_in_hand_as_far_as_they_wait_and_are_free(library: Library):
    fill(library, 4)
    lease_next(library.store, 2, 1)
    decide(library.store, 1, [ReviewAct(3, "confirm", 1)])
    assert _ids(lease_assets(library.store, 1, [4, 1, 3, 2, 99])) == [4, 2]
    assert _ids(lease_next(library.store, 2, 4)) == [1]


def test_pictures_that_are_taken_by_name_again_keep_their_hand(library: Library):
    fill(library, 2)
    assert _ids(lease_assets(library.store, 1, [2])) == [2]
    with library.store.write() as connection:
        soon = now() + timedelta(seconds=30)
        connection.execute(update(leases).values(expires_at=soon))
    assert _ids(lease_assets(library.store, 1, [1, 2])) == [1, 2]
    assert _ids(lease_assets(library.store, 2, [1, 2])) == []
    with library.store.read() as connection:
        ends = connection.execute(select(leases.c.expires_at)).scalars().all()
    assert len(ends) == 2
    assert all(end > soon for end in ends)


def test_a_picture_that_another_takes_meanwhile_is_not_given(
    library: Library, monkeypatch: pytest.MonkeyPatch
):
    fill(library, 2)
    lease_next(library.store, 2)
    # The hands as they were read before the other's transaction ended.
    monkeypatch.setattr(lease, "hands_on", lambda connection, asset_ids: [])
    assert _ids(lease_assets(library.store, 1, [1, 2])) == [2]
