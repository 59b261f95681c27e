"""Timbres by contrast: excerpts of one group belong together, others apart."""

import torch
from torch import Tensor
from torch.nn import functional as F


def contrastive_loss(first: Tensor, second: Tensor, group: Tensor, *, temperature: float) -> Tensor:
    """Give the supervised contrastive loss of two timbres per item; scalar, in nats.

    Its floor, where a group's timbres coincide and lie far from all others, is the logarithm of the number of other
    timbres of a group; without order it is the logarithm of the number of all others.

    Args:
        first: [B, E].
        second: [B, E], of other excerpts of the same groups.
        group: [B] int64.
        temperature: of the softmax.

    Source: Khosla et al. 2020, "Supervised contrastive learning", arXiv 2004.11362, equation 2. Where each item is a
    group of its own, it is SimCLR's: Chen et al. 2020, arXiv 2002.05709, equation 1.
    """
    z = F.normalize(torch.cat([first, second]).float(), dim=1)
    labels = torch.cat([group, group])
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    with torch.autocast(z.device.type, enabled=False):  # at a low temperature, bfloat16 is too coarse
        products = z @ z.T
    similarity = (products / temperature).masked_fill(itself, -torch.inf)
    log_share = similarity.log_softmax(dim=1).masked_fill(itself, 0.0)
    is_alike = (labels[:, None] == labels[None, :]) & ~itself
    return -((log_share * is_alike).sum(dim=1) / is_alike.sum(dim=1)).mean()
