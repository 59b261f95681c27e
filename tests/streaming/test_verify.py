"""The verifier itself: sound modules pass, and every way of breaking the contract is found and named."""

import pytest
import torch
from torch import Tensor, nn

from after.streaming.combine import Delay
from after.streaming.contract import Framewise, Streaming, keep_last
from after.streaming.conv import CausalConv1d
from after.streaming.verify import StreamingError, stream, verify_streaming


class Sum(Streaming):
    """Sum of the present and the last frame: sound, and the base of the broken ones."""

    def __init__(self, **declared: int) -> None:
        super().__init__(**{"num_states": 1, **declared})

    def init_state(self, batch_size: int) -> list[Tensor]:
        return [torch.zeros(batch_size, 1, 1, dtype=torch.float64)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        joined = torch.cat([state[0], x], dim=1)
        return joined[:, 1:] + joined[:, :-1], [keep_last(joined, 1)]


class LooksAhead(Sum):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.cat([x[:, 1:], torch.zeros_like(x[:, :1])], dim=1)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        return self.forward(x), state


class LooksAheadAligned(Sum):
    """Claim that a look-ahead of two is covered by a latency of one."""

    def __init__(self) -> None:
        super().__init__(latency=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[:, 2:], torch.zeros_like(x[:, :2])], dim=1)


class ReversesBlock(Sum):
    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        return x.flip(1), state


class KeepsStateInside(Sum):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("last", torch.zeros(1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)

    def init_state(self, batch_size: int) -> list[Tensor]:
        self.last = torch.zeros(batch_size, 1, 1, dtype=torch.float64)
        return [self.last]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        joined = torch.cat([self.last, x], dim=1)
        self.last = joined[:, -1:]
        return joined[:, 1:] + joined[:, :-1], state


class CountsInside(Sum):
    """Change a buffer that nothing depends on yet."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(1))

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        self.count = self.count + 1
        return super().step(x, state)


class ChangesState(Sum):
    """Change the state in place, which zeros do not show."""

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        y, after = super().step(x, state)
        state[0].mul_(0.5)
        return y, after


class ChangesInput(Sum):
    def forward(self, x: Tensor) -> Tensor:
        return super().step(x, self.init_state(x.size(0)))[0]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        y, after = super().step(x.clone(), state)
        x[:, 0] = 0.0
        return y, after


class KeepsView(Sum):
    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        y, _ = super().step(x, state)
        return y, [x[:, -1:]]


class GrowsState(Sum):
    def init_state(self, batch_size: int) -> list[Tensor]:
        return [torch.zeros(batch_size, 1, 1, dtype=torch.float64)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        joined = torch.cat([state[0], x], dim=1)
        return joined[:, -x.size(1) :] + joined[:, -x.size(1) - 1 : -1], [joined]


class GrowsMemory(Sum):
    """Keep the shape, and behind it a storage that grows."""

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        y, after = super().step(x, state)
        size = state[0].untyped_storage().nbytes() // 8 + x.size(0)
        store = torch.zeros(size, dtype=torch.float64)
        store[: x.size(0)] = after[0].flatten()
        return y, [store[: x.size(0)].reshape(after[0].shape)]


class DivergesSlowly(Sum):
    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        return x, [state[0] * 4.0 + 1.0]


class ChangesType(Sum):
    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        return x, [state[0].float()]


class MixesItems(Sum):
    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        y, after = super().step(x, state)
        return y - y.mean(dim=0, keepdim=True) * 1e-3, after


class ForgetsReset(Sum):
    """Give every new state another content."""

    def __init__(self) -> None:
        super().__init__()
        self.resets = 0

    def init_state(self, batch_size: int) -> list[Tensor]:
        self.resets += 1
        return [torch.full((batch_size, 1, 1), 1e-12 * self.resets, dtype=torch.float64)]


class DependsOnCallSize(Sum):
    """Keep another state after a call of one frame than after longer ones, each right by itself."""

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        sign = 1.0 if x.size(1) == 1 else -1.0
        joined = torch.cat([state[0] * sign, x], dim=1)
        return joined[:, 1:] + joined[:, :-1], [keep_last(joined, 1) * sign]


class NotScriptable(Sum):
    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        y, after = super().step(x, state)
        return y, [tensor for tensor in (lambda tensors: tensors)(after)]


class Scripted(Streaming):
    """Behave otherwise once compiled."""

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        if torch.jit.is_scripting():
            return 2.0 * x, state
        return x, state


class Silent(Sum):
    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        return torch.zeros_like(x), state


class Unready(Delay):
    """Give infinities until the latency has passed."""

    def init_state(self, batch_size: int) -> list[Tensor]:
        return [torch.full_like(tensor, float("inf")) for tensor in super().init_state(batch_size)]


class Bursts(Streaming):
    """Keep the ratio over a sequence but not call by call."""

    def __init__(self) -> None:
        super().__init__(num_states=1, latency=0)

    def init_state(self, batch_size: int) -> list[Tensor]:
        return [torch.zeros(batch_size, 1, 1, dtype=torch.float64)]

    def forward(self, x: Tensor) -> Tensor:
        return x

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        if float(state[0].abs().sum()) == 0:
            return x[:, :0], [x[:, -1:].clone()]
        return torch.cat([state[0], x], dim=1), [torch.zeros_like(state[0])]


def redeclare(layer: Streaming, **declared: int) -> Streaming:
    for name, value in declared.items():
        setattr(layer, name, value)
    return layer


def strided() -> CausalConv1d:
    return CausalConv1d(1, 1, kernel_size=4, stride=2)


BROKEN = {
    "looks ahead": (LooksAhead(), "differs from the whole sequence"),
    "looks ahead further than its latency": (LooksAheadAligned(), "differs from the whole sequence"),
    "reverses the block": (ReversesBlock(), "differs from the whole sequence"),
    "keeps state inside": (KeepsStateInside(), "state is kept inside the module"),
    "counts inside": (CountsInside(), "step changed 'count'"),
    "changes the state": (ChangesState(), "step changed the state it was given"),
    "changes its input": (ChangesInput(), "step changed the block it was given"),
    "keeps a view of the block": (KeepsView(), "shares memory"),
    "grows its state": (GrowsState(), "the state changed after"),
    "grows its memory": (GrowsMemory(), "bytes after a step"),
    "diverges": (DivergesSlowly(), "no longer finite after 1000 steps"),
    "changes the state's type": (ChangesType(), "the state changed after 1 steps"),
    "mixes the items of a batch": (MixesItems(), "depends on the other items"),
    "starts from another state after a reset": (ForgetsReset(), "a new state differs from the first"),
    "depends on the size of calls": (DependsOnCallSize(), "1, 5, 2, 1, 1, 3 blocks per call: differs"),
    "is silent": (Silent(), "never reached the output"),
    "is unready before its latency": (Unready(1, 2), "before the latency has passed"),
    "gives output in bursts": (Bursts(), "declared ratio 1/1, but 1 frames gave 0"),
    "cannot be scripted": (NotScriptable(), "TorchScript cannot compile NotScriptable"),
    "scripts to something else": (Scripted(), "TorchScript: differs"),
    "declares too much latency": (Sum(latency=1), "differs from the whole sequence"),
    "declares negative latency": (redeclare(Delay(1, 3), latency=-1), "latency and states at 0"),
    "declares a wrong ratio": (redeclare(strided(), down=1), "declared ratio 1/1"),
    "declares a ratio the block does not divide": (redeclare(strided(), block_size=3), "no whole number of frames"),
    "declares too small a block": (redeclare(strided(), block_size=1), "no whole number of frames"),
    "declares too many states": (redeclare(strided(), num_states=2), "declared 2 state tensors, init_state gave 1"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_module_is_found(how):
    module, message = BROKEN[how]
    with pytest.raises(StreamingError, match=message):
        verify_streaming(module, 1)


@pytest.mark.parametrize("declared", [0, 2, 4, 40, 400])
def test_a_wrong_latency_is_found(declared):
    class Late(Delay):
        def __init__(self) -> None:
            super().__init__(1, 3)
            self.latency = declared

        def init_state(self, batch_size: int) -> list[Tensor]:
            return [torch.zeros(batch_size, 3, 1, dtype=torch.float64)]

        def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
            joined = torch.cat([state[0], x], dim=1)
            return joined[:, : x.size(1)], [keep_last(joined, 3)]

    with pytest.raises(StreamingError, match="differs from the whole sequence"):
        verify_streaming(Late(), 1, script=False)


def test_the_sound_base_of_the_broken_ones_passes():
    report = verify_streaming(Sum(), 1, script=False)
    assert (report.max_error, report.latency, report.num_frames) == (0.0, 0, 42)


def test_a_layer_that_skips_frames_by_dilation_passes():
    verify_streaming(CausalConv1d(1, 1, kernel_size=2, dilation=4, stride=4), 1, num_steps=10)


def test_the_sequence_grows_with_the_latency():
    report = verify_streaming(Delay(1, 500), 1, num_steps=10)
    assert report.latency == 500
    assert report.num_frames > 1000


def test_the_module_is_left_as_it_was():
    layer = Framewise(nn.Linear(2, 2)).train()
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    verify_streaming(layer, 2)
    assert layer.training
    for name, tensor in layer.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, before[name])


def test_stream_joins_a_last_call_that_is_shorter():
    x = torch.randn(2, 10, 1, dtype=torch.float64)
    assert torch.equal(stream(Sum(), x, 4), Sum()(x))
