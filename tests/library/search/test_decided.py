"""The nearest pictures that people decided on, whatever models and rules say of others."""

from __future__ import annotations

import numpy as np
from library.pictures import fill
from sqlalchemy import insert

from lightfast.library.feature_files import FeatureFormat, FeatureRows, append_features
from lightfast.library.label_list import add_label
from lightfast.library.library import Library
from lightfast.library.people.users import user_number
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.schema import tags
from lightfast.library.search.decided import decided_neighbours
from lightfast.library.store import now


def test_only_what_people_confirmed_is_near(library: Library):
    fill(library, 8)
    assert decided_neighbours(library, 1) is None
    angles = np.arange(7) / 10
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float16)
    append_features(library, FeatureFormat("net", 2, (8, 8)), FeatureRows(list(range(1, 8)), vectors))
    with library.store.write() as connection:
        ada, label = user_number(connection, "ada"), add_label(connection, "leek").id
        row = {"state": "confirmed", "machine_state": "confirmed", "score": 1.0, "rule": "precision 0.99"}
        connection.execute(insert(tags).values(asset_id=2, label_id=label, updated_at=now(), **row))
    found = decided_neighbours(library, 1)
    assert found is not None
    assert found.hits == ()
    decide(library.store, ada, [ReviewAct(one, "confirm", label) for one in (1, 4, 5, 7)])
    decide(library.store, ada, [ReviewAct(3, "reject", label)])
    found = decided_neighbours(library, 1, 2)
    assert found is not None
    assert [one.asset_id for one in found.hits] == [4, 5]
    assert found.hits[0].similarity is not None
    assert abs(found.hits[0].similarity - np.cos(0.3)) < 0.01
    # The eighth picture has no features yet.
    assert decided_neighbours(library, 8) is None
