import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from after.checkpoint import load_into, read_checkpoint, read_snapshot, read_weights, replace_file, write_checkpoint
from after.errors import CheckpointError

SNAPSHOT = {"codec": {"width": 8, "kernels": [3, 5]}, "name": "Flöte"}


def test_tensors_and_snapshot_come_back(tmp_path: Path) -> None:
    tensors = {
        "a": torch.randn(3, 4),
        "transposed": torch.arange(6).reshape(2, 3).T,
        "half": torch.ones(2, dtype=torch.float16),
        "number": torch.tensor(7),
        "empty": torch.zeros(0, 5),
    }
    write_checkpoint(tmp_path / "new" / "model.safetensors", tensors, SNAPSHOT)
    read, snapshot = read_checkpoint(tmp_path / "new" / "model.safetensors")
    assert snapshot == SNAPSHOT == read_snapshot(tmp_path / "new" / "model.safetensors")
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor)


def test_tied_weights_and_views_are_stored(tmp_path: Path) -> None:
    base = torch.arange(10.0)
    write_checkpoint(tmp_path / "m.safetensors", {"all": base, "same": base, "tail": base[5:]}, {})
    read, _ = read_checkpoint(tmp_path / "m.safetensors")
    assert torch.equal(read["same"], base)
    assert torch.equal(read["tail"], base[5:])


def test_half_stores_floats_as_fp16_and_loads_back_as_fp32(tmp_path: Path) -> None:
    module = nn.BatchNorm1d(300)
    with torch.no_grad():
        module.weight.copy_(torch.randn(300))
    write_checkpoint(tmp_path / "h.safetensors", module.state_dict(), SNAPSHOT, half=True)
    write_checkpoint(tmp_path / "f.safetensors", module.state_dict(), SNAPSHOT)
    read, _ = read_checkpoint(tmp_path / "h.safetensors")
    assert read["weight"].dtype == torch.float16
    assert read["num_batches_tracked"].dtype == torch.int64
    other = nn.BatchNorm1d(300)
    load_into(other, read)
    assert other.weight.dtype == torch.float32
    torch.testing.assert_close(other.weight, module.weight, rtol=1e-3, atol=1e-6)
    assert (tmp_path / "h.safetensors").stat().st_size < (tmp_path / "f.safetensors").stat().st_size * 0.65


def test_half_refuses_what_would_overflow(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="scale reaches 1e\\+05"):
        write_checkpoint(tmp_path / "h.safetensors", {"scale": torch.tensor([1e5])}, {}, half=True)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not JSON"):
        write_checkpoint(tmp_path / "m.safetensors", {}, {"path": tmp_path})


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    with pytest.raises(CheckpointError, match="missing"):
        read_checkpoint(path)
    with pytest.raises(CheckpointError, match="is a folder"):
        read_checkpoint(tmp_path)
    path.write_bytes(b"RIFF1234WAVEfmt " * 10)
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        read_checkpoint(path)
    save_file({"a": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="no settings snapshot"):
        read_checkpoint(path)


@pytest.mark.parametrize("kept", [0, 5, 60, -1])
def test_truncated_files_are_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "m.safetensors"
    write_checkpoint(path, {"a": torch.randn(100)}, SNAPSHOT)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="truncated"):
        read_checkpoint(path)


def test_a_full_disk_leaves_the_previous_file(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "m.safetensors"
    write_checkpoint(path, {"a": torch.ones(2)}, SNAPSHOT)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(CheckpointError, match=r"cannot write .* untouched"):
            write_checkpoint(path, {"a": torch.zeros(10_000)}, SNAPSHOT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["m.safetensors"]


def test_a_folder_in_the_way_is_an_error_without_leftovers(tmp_path: Path) -> None:
    (tmp_path / "m.json").mkdir()
    with pytest.raises(CheckpointError, match="cannot write"):
        replace_file(tmp_path / "m.json", json.dumps({}).encode())
    assert [file.name for file in tmp_path.iterdir()] == ["m.json"]


def test_load_into_lists_every_misfit_and_changes_nothing() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    tensors = {name: torch.zeros_like(tensor) for name, tensor in before.items()}
    del tensors["1.bias"]
    tensors["2.bias"] = torch.zeros(1)
    tensors["0.weight"] = torch.zeros(9, 2)
    with pytest.raises(CheckpointError) as caught:
        load_into(module, tensors)
    for part in ("missing: 1.bias", "unexpected: 2.bias", "0.weight is [9, 2], needs [3, 2]"):
        assert part in str(caught.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_load_into_takes_only_the_prefix() -> None:
    module = nn.Linear(2, 1)
    load_into(module, {"codec.weight": torch.ones(1, 2), "codec.bias": torch.ones(1), "other": torch.ones(1)}, "codec.")
    assert module(torch.ones(2)).item() == 3.0


def test_plain_weights_files_are_read_whole(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "m.safetensors", {"weight": torch.ones(1)}, SNAPSHOT)
    tensors, snapshot = read_weights(tmp_path / "m.safetensors", "anything")
    assert tensors.keys() == {"weight"}
    assert snapshot == SNAPSHOT
