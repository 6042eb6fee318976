"""Three regularised autoencoders on one skeleton of tied layers: sparse, contractive, stacked."""

from __future__ import annotations

from abc import abstractmethod
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightfast.base.errors import SettingsError
from lightfast.models.classifiers import require_size
from lightfast.models.registry import ImageShape, register
from lightfast.models.restorers import padded_to

KERNEL = 5
"""Side of the windows of a `TiedLayer`, pixels."""


class TiedLayer(nn.Module):
    """A halving convolution and, by the same weights transposed, the way back (tied weights: Vincent et al.
    2010, section 2; they keep a penalty on the code from being met by a smaller code and a larger decoder).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, KERNEL, stride=2, padding=KERNEL // 2)
        self.back = nn.Parameter(torch.zeros(inputs))

    def encode(self, features: Tensor) -> Tensor:
        """float (N, inputs, H, W), H and W even → code (N, outputs, H/2, W/2), not negative (ReLU)."""
        return functional.relu(self.convolution(features))

    def decode(self, code: Tensor) -> Tensor:
        """float (N, outputs, H/2, W/2) → (N, inputs, H, W) before any activation."""
        weight = self.convolution.weight
        return functional.conv_transpose2d(
            code, weight, self.back, stride=2, padding=KERNEL // 2, output_padding=1
        )


class TiedAutoencoder(nn.Module):
    """`depth` tied layers, each halving the picture and doubling the channels from `width` on; sigmoid
    output. The code of the defaults has more numbers than a grey picture has pixels (overcomplete).
    """

    def __init__(self, image_shape: ImageShape, outputs: int = 0, width: int = 32, depth: int = 2) -> None:
        super().__init__()
        if depth < 1 or width < 1:
            raise SettingsError(
                "tied autoencoder", expected="depth ≥ 1, width ≥ 1", got=f"depth {depth}, width {width}"
            )
        self.multiple = 2**depth
        require_size(image_shape, self.multiple)
        widths = [image_shape[2], *(width * 2**level for level in range(depth))]
        self.layers = nn.ModuleList(TiedLayer(inputs, wide) for inputs, wide in pairwise(widths))

    def encode(self, pictures: Tensor, layers: int | None = None) -> Tensor:
        """float (N, C, H, W) of any H and W ≥ 2^depth → the code behind the first `layers` (None: all)."""
        code = padded_to(pictures, self.multiple)
        for level in range(len(self.layers) if layers is None else layers):
            code = self.encode_layer(code, level)
        return code

    def forward(self, pictures: Tensor) -> Tensor:
        code, (height, width) = self.encode(pictures), pictures.shape[-2:]
        for level in reversed(range(len(self.layers))):
            code = self.decode_layer(code, level)
        return code[..., :height, :width]

    def encode_layer(self, features: Tensor, level: int) -> Tensor:
        """What layer `level` (0: that of the pixels) makes of the pixels or of the code below it."""
        return self.layers[level].encode(features)  # pyright: ignore[reportCallIssue]

    def decode_layer(self, code: Tensor, level: int) -> Tensor:
        """What layer `level` makes of its own code: pixels by a sigmoid, codes of the
        layer below by a ReLU.
        """
        back = self.layers[level].decode(code)  # pyright: ignore[reportCallIssue]
        return functional.relu(back) if level else torch.sigmoid(back)


class PenalisedAutoencoder(TiedAutoencoder):
    """One whose loss has a penalty on the code beside the pixels' own, in training."""

    @abstractmethod
    def penalty(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """() ≥ 0, weighted already, of float pictures (N, C, H, W) as the network is given them."""
        ...


class SparseAutoencoder(PenalisedAutoencoder):
    """With an L1 penalty on the code, `weight` × its mean, so that most of its numbers are 0 for any one
    picture (Ng 2011, lecture notes on sparse autoencoders, there by KL; L1 as Olshausen & Field 1996).
    `weight=0` is the skeleton alone.
    """

    def __init__(
        self, image_shape: ImageShape, outputs: int = 0, width: int = 32, depth: int = 2, weight: float = 0.1
    ) -> None:
        super().__init__(image_shape, outputs, width, depth)
        self.penalty_weight = _checked_weight("sparse-autoencoder", weight)

    def penalty(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """`weight` × mean |code| over all units and pictures."""
        return self.penalty_weight * self.encode(pictures).float().abs().mean()


class ContractiveAutoencoder(PenalisedAutoencoder):
    """With a penalty on the Jacobian J of the code by the pixels: `weight` × ‖J‖² (Frobenius) / units of the
    code, so that small changes of a picture hardly move its code (Rifai et al. 2011).

    ‖J‖² is exact in closed form for one layer of sigmoid units only; here it is Hutchinson's estimate (1990),
    the mean of ‖vᵀJ‖² over `probes` random sign vectors v a picture: unbiased, at one backward pass a probe.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        outputs: int = 0,
        width: int = 32,
        depth: int = 2,
        weight: float = 0.1,
        probes: int = 1,
    ) -> None:
        super().__init__(image_shape, outputs, width, depth)
        if probes < 1:
            raise SettingsError(f"contractive-autoencoder probes={probes}", expected="at least 1")
        self.penalty_weight, self.probes = _checked_weight("contractive-autoencoder", weight), probes

    def penalty(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """`weight` × the estimate of ‖J‖² / units of the code, mean over the pictures."""
        given = pictures.detach().requires_grad_()
        code = self.encode(given)
        total = code.new_zeros(())
        for _ in range(self.probes):
            signs = (
                torch.randint(0, 2, code.shape, generator=generator, device=generator.device).to(code) * 2 - 1
            )
            total = total + jacobian_square(given, code, signs).mean()
        units = code[0].numel()
        return self.penalty_weight * total / (self.probes * units)


def jacobian_square(given: Tensor, code: Tensor, signs: Tensor) -> Tensor:
    """(N,): ‖vᵀJ‖² of every picture for the vectors `signs`, shaped like `code`; over vectors of independent
    signs its mean is ‖J‖² (Hutchinson 1990). `code` was computed from `given`, each row from its own picture.
    """
    (moved,) = torch.autograd.grad(code, given, signs, create_graph=True)
    return moved.flatten(1).square().sum(dim=1)


class StackedAutoencoder(TiedAutoencoder):
    """Learnt a layer at a time, each denoising the code of the layers below it, then all together (stacked
    denoising autoencoder: Vincent et al. 2010). `masked` is the share of a code's numbers that are set to 0
    while the layer above learns; the pixels are damaged as for every restorer.
    """

    def __init__(
        self, image_shape: ImageShape, outputs: int = 0, width: int = 32, depth: int = 2, masked: float = 0.25
    ) -> None:
        super().__init__(image_shape, outputs, width, depth)
        if not 0 <= masked < 1:
            raise SettingsError(f"stacked-autoencoder masked={masked}", expected="a share from 0 to below 1")
        self.masked = masked


def _checked_weight(model: str, weight: float) -> float:
    if weight < 0:
        raise SettingsError(f"{model} weight={weight}", expected="0 or more")
    return weight


register(
    "sparse-autoencoder",
    SparseAutoencoder,
    "autoencoder of tied layers, L1 penalty on the code",
    "Ng 2011; Olshausen & Field 1996",
    role="restorer",
)
register(
    "contractive-autoencoder",
    ContractiveAutoencoder,
    "autoencoder of tied layers, penalty on the Jacobian of the code",
    "Rifai et al. 2011",
    role="restorer",
)
register(
    "stacked-autoencoder",
    StackedAutoencoder,
    "autoencoder of tied layers, pretrained one by one as denoisers",
    "Vincent et al. 2010",
    role="restorer",
)
