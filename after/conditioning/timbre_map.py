"""The timbre map: a square whose every place is a timbre, smooth from place to place; and the way back."""

import torch
from torch import Tensor, nn

NUM_KNOTS = 20
"""Splines along each side of the square."""


def spline_basis(coordinate: Tensor, num_knots: int) -> Tensor:
    """Give the values [..., num_knots] of uniform cubic B-splines at coordinates [...] within +-1; they add up to 1.

    The first and the last spline are centred one knot outside of the square, as a cubic spline needs.
    """
    spacing = 2.0 / (num_knots - 3)
    knots = torch.arange(num_knots, dtype=coordinate.dtype, device=coordinate.device)
    distance = ((coordinate[..., None] + 1.0) / spacing + 1.0 - knots).abs()
    near = 2.0 / 3.0 - distance.square() + 0.5 * distance**3
    far = (2.0 - distance).clamp_min(0.0) ** 3 / 6.0
    return torch.where(distance < 1.0, near, far)


class TimbreMap(nn.Module):
    """Timbres over a square: tanh of a surface of cubic B-splines, one per dimension of the timbre.

    Twice continuously differentiable, and constant cost per place. TorchScript compiles it.

    Args:
        weights: [K, K, E], one row per spline along x, one column per spline along y.

    Source: tensor products of B-splines, Eilers and Marx 1996, "Flexible smoothing with B-splines and penalties".
    """

    weights: Tensor

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights.detach().float())

    def forward(self, places: Tensor) -> Tensor:
        """Give the timbres [B, E], within +-1, at places [B, 2] of (x, y); beyond +-1 those of the edge."""
        num_knots = self.weights.size(0)
        basis = spline_basis(places.clamp(-1.0, 1.0), num_knots)
        rows = (basis[:, 0] @ self.weights.flatten(1)).view(places.size(0), num_knots, self.weights.size(2))
        return torch.tanh((basis[:, 1, :, None] * rows).sum(1))

    @torch.jit.export
    def locate(self, timbre: Tensor) -> Tensor:
        """Give the places [B, 2] whose timbres are nearest to timbres [B, E]; exact to about 1e-5.

        A grid over the square finds the neighbourhood, finer and finer ones around the best point the place.
        """
        places = torch.zeros(1, 2, dtype=timbre.dtype, device=timbre.device)
        item = torch.arange(timbre.size(0), device=timbre.device)
        reach, num_numbers = 1.0, self.weights.size(2)
        for num_points in [41, 9, 9, 9, 9]:
            side = torch.linspace(-reach, reach, num_points, dtype=timbre.dtype, device=timbre.device)
            offsets = torch.cartesian_prod(side, side)
            candidates = (places[:, None] + offsets).clamp(-1.0, 1.0)
            timbres = self.forward(candidates.flatten(0, 1)).view(candidates.size(0), candidates.size(1), num_numbers)
            best = (timbres - timbre[:, None]).square().sum(2).argmin(1)
            places = candidates.expand(timbre.size(0), -1, -1)[item, best]
            reach = 2.0 * reach / (num_points - 1)
        return places
