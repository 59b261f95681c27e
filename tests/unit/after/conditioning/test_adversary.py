import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from after.conditioning.adversary import (
    PitchCritic,
    TimbreCritic,
    adversary_weight,
    group_loss,
    pitch_loss,
    pitch_shares,
    reverse_gradient,
    timbre_regression_loss,
)
from after.conditioning.pitch_loudness import pitch_loudness
from after.conditioning.roll import piano_roll

SIZE, GROUPS = 4, 3


@pytest.mark.parametrize("scale", [0.0, 0.3, 2.0])
def test_gradients_come_back_reversed_and_scaled(scale: float) -> None:
    x = torch.randn(3, 4, requires_grad=True)
    y = reverse_gradient(x, scale)
    torch.testing.assert_close(y, x)
    (y.square() * torch.arange(4.0)).sum().backward()
    torch.testing.assert_close(x.grad, -scale * 2.0 * x.detach() * torch.arange(4.0))


def test_one_backward_pass_teaches_the_critic_and_misleads_the_encoder() -> None:
    encoder, critic, x = nn.Linear(2, 2), nn.Linear(2, 1), torch.randn(8, 2)
    plain = torch.autograd.grad(critic(encoder(x)).square().mean(), [*encoder.parameters(), *critic.parameters()])
    loss = critic(reverse_gradient(encoder(x), 0.5)).square().mean()
    found = torch.autograd.grad(loss, [*encoder.parameters(), *critic.parameters()])
    for sign, before, after in zip([-0.5, -0.5, 1.0, 1.0], plain, found, strict=True):
        torch.testing.assert_close(after, sign * before)


def test_the_weight_rises_smoothly_from_start() -> None:
    weights = [adversary_weight(iteration, start=100, length=1000) for iteration in range(0, 2000, 10)]
    assert weights[:11] == [0.0] * 11
    assert weights == sorted(weights)
    assert weights[20] == pytest.approx(2 / (1 + math.exp(-1)) - 1)
    assert weights[110] == pytest.approx(1.0, abs=1e-4)
    assert max(np.diff(weights)) < 0.06
    assert adversary_weight(0, start=0, length=0) == 0.0
    assert adversary_weight(1, start=0, length=0) == pytest.approx(1.0, abs=1e-4)


def leaking(leaks: bool) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Draw structure [16, 12, 5], timbre [16, 4] and group [16]; the structure holds the group's timbre, or nothing."""
    generator = torch.Generator().manual_seed(0)
    timbres = torch.rand(GROUPS, SIZE, generator=generator) * 2 - 1
    while True:
        group = torch.randint(GROUPS, [16], generator=generator)
        structure = torch.randn(16, 12, 5, generator=generator)
        if leaks:
            structure[:, :, :SIZE] += timbres[group][:, None]
        yield structure, timbres[group], group


def train(model: nn.Module, losses: Callable[[], Tensor], *, iterations: int) -> float:
    """Give the mean loss of the last 50 iterations."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    history: list[float] = []
    for _ in range(iterations):
        loss = losses()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(float(loss.detach()))
    return float(np.mean(history[-50:]))


@pytest.mark.parametrize("leaks", [True, False])
def test_the_timbre_critic_finds_what_leaks_and_nothing_else(leaks: bool) -> None:
    critic = TimbreCritic(5, timbre_size=SIZE, num_groups=GROUPS, width=16, num_blocks=1, kernel_size=3)
    batches = leaking(leaks)

    def losses() -> Tensor:
        structure, _, group = next(batches)
        return group_loss(critic(structure)[1], group)

    entropy = math.log(GROUPS)
    reached = train(critic, losses, iterations=200)
    assert reached < 0.5 * entropy if leaks else 0.93 * entropy < reached < 1.2 * entropy


@pytest.mark.parametrize("leaks", [True, False])
def test_the_timbre_critic_regresses_down_to_the_variance(leaks: bool) -> None:
    critic = TimbreCritic(5, timbre_size=SIZE, width=16, num_blocks=1, kernel_size=3)
    batches = leaking(leaks)

    def losses() -> Tensor:
        structure, timbre, _ = next(batches)
        return timbre_regression_loss(critic(structure)[0], timbre)

    drawn = leaking(leaks)
    variance = float(torch.cat([next(drawn)[1] for _ in range(50)]).var(dim=0, correction=0).mean())
    reached = train(critic, losses, iterations=200)
    assert reached < 0.5 * variance if leaks else 0.9 * variance < reached < 1.3 * variance


def test_the_timbre_is_not_taught_by_its_critic() -> None:
    timbre = torch.randn(2, SIZE, requires_grad=True)
    critic = TimbreCritic(5, timbre_size=SIZE, width=8, num_blocks=1, kernel_size=3)
    timbre_regression_loss(critic(torch.randn(2, 9, 5))[0], timbre).backward()
    assert timbre.grad is None


def test_unknown_groups_do_not_count() -> None:
    logits = torch.randn(3, GROUPS)
    known = group_loss(logits[:1], torch.tensor([2]))
    torch.testing.assert_close(group_loss(logits, torch.tensor([2, -1, -1])), known)
    assert group_loss(logits, torch.tensor([-1, -1, -1])) == 0.0


def test_pitch_shares_of_a_roll_and_of_pitch_and_loudness() -> None:
    notes = np.array([[0.0, 1.0, 60, 127], [1.0, 3.0, 76, 127]], dtype=np.float32)
    roll = torch.from_numpy(piano_roll(notes, 40, frame_rate=10.0).T)[None]
    expected = torch.zeros(1, 23)
    expected[0, [0, 12 + 5]], expected[0, [4, 12 + 6]] = 0.25, 0.75
    torch.testing.assert_close(pitch_shares(roll), expected)
    f0_hz = 440.0 * 2.0 ** ((np.repeat([60.0, 76.0, 76.0, 76.0], 10) - 69.0) / 12.0)
    frames = pitch_loudness(f0_hz.astype(np.float32), np.ones(40, np.float32), np.zeros(40, np.float32))
    torch.testing.assert_close(pitch_shares(torch.from_numpy(frames.T)[None]), expected, rtol=0, atol=1e-4)
    assert not pitch_shares(torch.zeros(1, 9, 130)).any()


@pytest.mark.parametrize("leaks", [True, False])
def test_the_pitch_critic_finds_what_leaks_and_nothing_else(leaks: bool) -> None:
    critic = PitchCritic(SIZE, width=16)
    generator = torch.Generator().manual_seed(0)

    def losses() -> Tensor:
        pitch = torch.randint(0, 4, [32], generator=generator) * 14 + 40
        structure = nn.functional.one_hot(pitch, 128).float()[:, None]
        timbre = torch.randn(32, SIZE, generator=generator)
        if leaks:
            timbre[:, 0] = (pitch - 61.0) / 20.0
        return pitch_loss(critic(timbre), pitch_shares(structure))

    entropy = 2.0 * math.log(4)  # 40, 54, 68 and 82: four classes in four octaves
    reached = train(critic, losses, iterations=300)
    assert reached < 0.4 * entropy if leaks else 0.95 * entropy < reached < 1.15 * entropy


def test_excerpts_without_a_pitch_do_not_count() -> None:
    logits, shares = torch.randn(3, 23), torch.zeros(3, 23)
    assert pitch_loss(logits, shares) == 0.0
    shares[0, 3] = shares[0, 12 + 4] = 1.0
    torch.testing.assert_close(pitch_loss(logits, shares), pitch_loss(logits[:1], shares[:1]))
    octaves_ignored = -logits[0, :12].log_softmax(dim=0)[3]
    torch.testing.assert_close(pitch_loss(logits, shares, octave_weight=0.0), octaves_ignored)
