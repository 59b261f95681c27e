"""Where and how precisely: names become devices that are there, precisions become what matrix products are done in."""

import pytest
import torch

from after.device import pick_device
from after.errors import ConfigError
from after.training.device import autocast, multiplies_bf16

CPU = torch.device("cpu")


def product_dtype(precision: str) -> torch.dtype:
    with autocast(CPU, precision):
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


def test_names_become_devices() -> None:
    assert pick_device("cpu") == CPU
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["abacus", "", "gpu"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="use auto, cpu or cuda"):
        pick_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="sees no GPU; use --device cpu"):
        pick_device(name)


def test_precision_decides_what_products_are_done_in() -> None:
    assert product_dtype("fp32") == torch.float32
    assert product_dtype("bf16") == torch.bfloat16
    assert product_dtype("auto") == (torch.bfloat16 if multiplies_bf16(CPU) else torch.float32)
