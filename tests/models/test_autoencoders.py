"""The sparse, contractive and stacked autoencoders: tied layers, penalties against slow references."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from lightfast.base.errors import SettingsError
from lightfast.models.autoencoders import (
    ContractiveAutoencoder,
    SparseAutoencoder,
    TiedLayer,
    jacobian_square,
)
from lightfast.models.build import fresh_network


def network(name: str, shape: tuple[int, int, int] = (8, 8, 1), **config: object) -> torch.nn.Module:
    return fresh_network(name, "restorer", shape, 0, config, 3).double()


def pictures(count: int, shape: tuple[int, int, int] = (8, 8, 1)) -> Tensor:
    height, width, channels = shape
    source = torch.Generator().manual_seed(1)
    return torch.rand(count, channels, height, width, generator=source, dtype=torch.float64)


def jacobian(model: ContractiveAutoencoder, picture: Tensor) -> Tensor:
    """(units, pixels) of one picture (1, C, H, W), entry by entry through autograd."""
    found = torch.autograd.functional.jacobian(model.encode, picture)
    assert isinstance(found, Tensor)
    return found.reshape(-1, picture.numel())


def test_the_way_back_of_a_tied_layer_is_the_transpose_of_the_way_in():
    layer = TiedLayer(2, 3).double()
    torch.nn.init.zeros_(layer.convolution.bias)  # pyright: ignore[reportArgumentType]
    given = torch.rand(1, 2, 6, 8, dtype=torch.float64)
    code = torch.rand(1, 3, 3, 4, dtype=torch.float64)
    # ⟨W x, h⟩ = ⟨x, Wᵀ h⟩ for every x and h.
    there, back = (layer.convolution(given) * code).sum(), (given * layer.decode(code)).sum()
    assert float(there.detach()) == pytest.approx(float(back.detach()))


def test_the_code_is_overcomplete_and_halves_each_side_a_layer():
    model = fresh_network("stacked-autoencoder", "restorer", (28, 28, 1), 0, {}, 0)
    code = model.encode(torch.rand(2, 1, 28, 28))
    assert code.shape == (2, 64, 7, 7)
    assert code[0].numel() > 28 * 28
    assert model.encode(torch.rand(2, 1, 27, 25), 1).shape == (2, 32, 14, 14)


def test_the_sparse_penalty_is_the_weighted_mean_of_the_code_number_by_number():
    model = network("sparse-autoencoder", width=3, weight=0.7)
    assert isinstance(model, SparseAutoencoder)
    given = pictures(4)
    numbers = [abs(number) for picture in given for number in model.encode(picture[None]).flatten().tolist()]
    found = model.penalty(given, torch.Generator())
    assert float(found.detach()) == pytest.approx(0.7 * sum(numbers) / len(numbers))


def test_hutchinsons_estimate_over_all_sign_vectors_is_the_squared_norm_of_the_jacobian():
    # A code of 8 numbers has 256 sign vectors; over all of them the estimate has no noise left.
    model = network("contractive-autoencoder", (4, 4, 1), width=2, depth=1)
    assert isinstance(model, ContractiveAutoencoder)
    picture = pictures(1, (4, 4, 1))
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=8)), dtype=torch.float64)
    given = picture.expand(256, -1, -1, -1).clone().requires_grad_()
    code = model.encode(given)
    found = jacobian_square(given, code, signs.reshape(code.shape)).mean()
    exact = jacobian(model, picture).square().sum()
    assert exact > 0
    assert float(found.detach()) == pytest.approx(float(exact))


def test_the_contractive_penalty_comes_to_the_exact_norm_with_many_probes():
    model = network("contractive-autoencoder", width=2, weight=0.5, probes=4000)
    assert isinstance(model, ContractiveAutoencoder)
    given = pictures(3)
    units = model.encode(given)[0].numel()
    exact = sum(float(jacobian(model, one[None]).square().sum()) for one in given) / 3
    found = float(model.penalty(given, torch.Generator().manual_seed(0)).detach())
    assert found == pytest.approx(0.5 * exact / units, rel=0.05)


def test_the_gradient_of_the_contractive_penalty_is_that_of_finite_differences():
    model = network("contractive-autoencoder", (4, 4, 1), width=1, depth=1, weight=1.0)
    assert isinstance(model, ContractiveAutoencoder)
    given, weight = pictures(2, (4, 4, 1)), dict(model.named_parameters())["layers.0.convolution.weight"]

    def penalty() -> Tensor:
        return model.penalty(given, torch.Generator().manual_seed(5))

    (found,) = torch.autograd.grad(penalty(), weight)
    step, place = 1e-6, (0, 0, 2, 2)
    sides = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[place] += sign * step
        sides.append(float(penalty().detach()))
        with torch.no_grad():
            weight[place] -= sign * step
    assert float(found[place]) == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=1e-4)


def test_the_penalty_leaves_the_pictures_alone():
    model = network("contractive-autoencoder", width=2)
    assert isinstance(model, ContractiveAutoencoder)
    given = pictures(2)
    before = given.clone()
    model.penalty(given, torch.Generator())
    assert torch.equal(given, before)
    assert not given.requires_grad


@pytest.mark.parametrize(
    "name, config",
    [
        ("sparse-autoencoder", {"weight": -1}),
        ("contractive-autoencoder", {"weight": -1}),
        ("contractive-autoencoder", {"probes": 0}),
        ("stacked-autoencoder", {"masked": 1.0}),
        ("stacked-autoencoder", {"depth": 0}),
    ],
)
def test_settings_that_make_no_sense_are_refused(name: str, config: dict):
    with pytest.raises(SettingsError):
        network(name, **config)
