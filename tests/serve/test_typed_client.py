"""A client generated from docs/openapi.json covers every operation, and works against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import ModuleType

import pytest
from fixtures.typed_client import DESCRIPTION, Refused, TypedClient, generated_records
from serve.conftest import Running, as_files, noise_picture

pytest.importorskip("datamodel_code_generator", reason="datamodel-code-generator is not installed")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return generated_records(tmp_path_factory.mktemp("generated"))


@pytest.fixture
def api(records: ModuleType, plain_served: Running) -> Iterator[TypedClient]:
    with plain_served.client() as http:
        yield TypedClient(records, http)


def test_every_operation_is_covered_with_records(api: TypedClient):
    paths = json.loads(DESCRIPTION.read_text(encoding="utf-8"))["paths"]
    wanted = [said["operationId"] for methods in paths.values() for said in methods.values()]
    assert sorted(api.operations) == sorted(wanted)
    assert len(set(wanted)) == len(wanted)
    for one in api.operations.values():
        # What comes back is a record, bytes that the description names, or nothing.
        assert (one.answer is not None) + one.gives_bytes <= 1, one.name
        assert one.name.isidentifier()
    nothing = {one.name for one in api.operations.values() if one.answer is None and not one.gives_bytes}
    assert nothing == {"log_out", "delete_label", "get_asset_view", "get_original", "get_metrics"}


def test_session_predict_review_and_search(api: TypedClient, records: ModuleType):
    session = api.call("get_session")
    assert session.user.role.value == "admin"
    added = api.call("add_assets", files=as_files(*(noise_picture(one) for one in range(3))))
    ids = [one.asset_id for one in added.items]
    seen = api.call("predict_assets", records.AssetNumbers(asset_ids=ids), top=2)
    assert [one.asset_id for one in seen.items] == ids
    assert {label.label for one in seen.items for label in one.labels} <= set("abcd")
    label = api.call("post_label", records.NewLabel(name="carrot"))
    act = records.ActRequest(asset_id=ids[0], act="confirm", label_id=label.id)
    done = api.call("post_decide", records.DecideRequest(acts=[act]))
    assert done.asset_ids == ids[:1]
    found = api.call("search", query="carrot")
    assert [one.asset.id for one in found.items] == ids[:1]
    assert api.call("post_undo").asset_ids == ids[:1]
    assert api.call("search", query="carrot").items == []
    told = api.call("get_audit", kind="decision", limit=2)
    assert [one.act for one in told.items] == ["undo", "confirm"]


def test_a_refusal_says_what_to_do(api: TypedClient):
    with pytest.raises(Refused, match="picture 999") as refused:
        api.call("get_asset", asset_id=999)
    assert refused.value.status == 404


def test_somebody_logs_in_and_out(records: ModuleType, served: Running):
    with served.client() as http:
        api = TypedClient(records, http)
        account = records.NewAccount(name="ada", password="correct horse battery", role="admin")
        assert api.call("post_user", account).can_log_in is True
        assert api.call("get_session").user is None
        session = api.call("log_in", records.Login(name="ada", password="correct horse battery"))
        http.headers["X-CSRF-Token"] = session.csrf
        token = api.call("post_token", records.NewToken(note="import"))
        assert token.secret.startswith("lft_")
        assert [one.note for one in api.call("get_tokens").items] == ["import"]
        assert api.call("log_out") is None
        assert api.call("get_session").user is None
