import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from after.conditioning.independence import correlation_penalty
from after.conditioning.learned import build_learned_structure
from after.conditioning.probes import pool_over_time, probe_groups, probe_register, probe_value
from after.errors import DataError


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_independent_features_score_about_chance() -> None:
    groups = ["a", "b", "c", "d"] * 100
    score = probe_groups(draw(400, 10), groups)
    assert score.chance == 0.25
    assert score.num_items == 400
    assert abs(score.score - 0.25) < 0.07
    assert score.low < score.score < score.high
    assert score.leakage < 0.1


def test_a_group_that_shifts_the_features_is_told() -> None:
    labels = np.arange(400) % 4
    score = probe_groups(draw(400, 10) + 10.0 * np.eye(10)[labels], labels.tolist())
    assert score.score > 0.99
    assert score.leakage > 0.98


@pytest.mark.parametrize("distance", [1.0, 2.0])
def test_two_normal_groups_are_told_as_well_as_can_be(distance: float) -> None:
    labels = np.arange(4000) % 2
    x = draw(4000, 3)
    x[:, 0] += distance * labels
    score = probe_groups(x, labels.tolist())
    best = float(((x[:, 0] > distance / 2) == labels).mean())
    assert score.score == pytest.approx(best, abs=0.01)
    assert score.low < best < score.high


def test_chance_is_the_share_of_the_most_frequent_group() -> None:
    score = probe_groups(draw(200, 2), [0] * 150 + [1] * 50)
    assert score.chance == 0.75
    assert score.score == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_r2_is_the_share_of_variance_that_leaks(share: float) -> None:
    x = draw(2000, 6)
    pitch = 60.0 + 9.0 * (np.sqrt(share) * x[:, 2] + np.sqrt(1 - share) * draw(2000, seed=1))
    score = probe_value(x, pitch)
    assert score.score == pytest.approx(share, abs=0.05)
    assert score.low <= score.score <= score.high
    assert score.high - score.low < 0.1
    assert score.chance == 0.0


def test_more_features_than_items_do_not_fit_noise() -> None:
    assert probe_value(draw(60, 300), draw(60, seed=1)).score < 0.15


def test_items_of_one_recording_stay_together() -> None:
    sources = np.repeat(np.arange(40), 10)
    groups = (np.random.default_rng(2).permutation(40) % 2)[sources].tolist()
    features = draw(40, 60)[sources] + 0.01 * draw(400, 60, seed=1)  # tells the recording, not what recordings share
    assert probe_groups(features, groups).score > 0.99
    apart = probe_groups(features, groups, sources=sources.tolist())
    assert abs(apart.score - 0.5) < 0.2
    assert apart.high - apart.low > 0.2


def test_a_group_of_one_recording_is_left_out_and_named() -> None:
    """Such a group was scored by a probe that had never seen it: a leak in full view counted as none."""
    groups = np.repeat(["a", "b", "lonely"], [60, 60, 80])
    sources = [f"{group}{number % 3 if group != 'lonely' else 0}" for number, group in enumerate(groups)]
    features = 10.0 * np.eye(3)[np.unique(groups, return_inverse=True)[1]] + draw(200, 3)
    score = probe_groups(features, groups.tolist(), sources=sources)
    assert score.left_out == ("lonely",)
    assert (score.score, score.chance, score.num_items) == (1.0, 0.5, 120)
    assert score == dataclasses.replace(
        probe_groups(features[:120], groups[:120].tolist(), sources=sources[:120]), left_out=("lonely",)
    )
    with pytest.raises(DataError, match="too few recordings of b, lonely"):
        probe_groups(features, groups.tolist(), sources=["b" if s.startswith("b") else s for s in sources])


@pytest.mark.parametrize("num_groups", [2, 7, 30])
def test_groups_of_two_recordings_each_are_all_told(num_groups: int) -> None:
    """However the recordings fall, one of each group's two is fitted to when the other is scored."""
    groups = np.repeat(np.arange(num_groups), 6)
    recordings = 2 * groups + np.arange(groups.size) % 2
    names = np.random.default_rng(3).permutation(2 * num_groups)[recordings].tolist()
    score = probe_groups(10.0 * np.eye(num_groups)[groups], groups.tolist(), sources=names)
    assert (score.score, score.left_out) == (1.0, ())


def test_the_register_is_told_from_a_timbre_that_knows_the_pitch() -> None:
    pitches = np.random.default_rng(0).choice([40.0, 64.0, 88.0], 300)
    knows = np.stack([pitches == pitch for pitch in (40.0, 64.0, 88.0)], axis=1) + 0.1 * draw(300, 3)
    assert probe_register(knows, pitches).score > 0.99
    assert probe_register(draw(300, 3), pitches).score < 0.45


def test_constant_and_badly_scaled_features_do_no_harm() -> None:
    x = draw(500, 3)
    y = x[:, 0] + 0.5 * draw(500, seed=1)
    alone = probe_value(x, y).score
    assert probe_value(np.concatenate([x * [1e6, 1.0, 1e-6], np.ones((500, 2))], axis=1), y).score == pytest.approx(
        alone, abs=1e-6
    )


def test_pooling_gives_mean_and_deviation() -> None:
    structure = draw(3, 50, 4)
    pooled = pool_over_time(structure)
    assert pooled.shape == (3, 8)
    np.testing.assert_allclose(pooled[1], np.concatenate([structure[1].mean(0), structure[1].std(0)]))


def test_what_cannot_be_probed_is_refused() -> None:
    with pytest.raises(DataError, match="two groups"):
        probe_groups(draw(4, 2), ["a"] * 4)
    with pytest.raises(DataError, match="one row per item"):
        probe_groups(draw(3, 2), ["a", "b"])
    with pytest.raises(DataError, match="equal"):
        probe_value(draw(3, 2), [60.0, 60.0, 60.0])
    with pytest.raises(DataError, match="NaN"):
        probe_value(np.full((2, 2), np.nan), [60.0, 61.0])
    with pytest.raises(DataError, match="all items are from"):
        probe_value(draw(3, 2), [60.0, 61.0, 62.0], sources=["one"] * 3)


def _learn(*, penalty: float) -> tuple[float, float]:
    """Teach a code to hold a melody that runs beside a timbre; give what it tells of the melody and of the timbre."""
    torch.manual_seed(0)
    timbres, mixing = torch.randn(4, 3), torch.linalg.qr(torch.randn(6, 6))[0]
    encoder = build_learned_structure(6, 6, width=16, num_blocks=1, kernel_size=3, noise_level=0.1)
    reader = torch.nn.Linear(6 + 3, 6)
    optimizer = torch.optim.Adam([*encoder.parameters(), *reader.parameters()], lr=4e-3)

    def draw_excerpts(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        group = torch.randint(4, [count])
        melody, timbre = torch.randn(count, 16, 3), timbres[group]
        sound = torch.cat([melody, timbre[:, None].expand(-1, 16, -1)], dim=2) @ mixing
        return sound, melody, timbre, group

    for _ in range(250):
        latents, _, timbre, _ = draw_excerpts(32)
        code = encoder(latents)
        noisy = encoder.with_noise(code, torch.randn(code.shape))
        decoded = reader(torch.cat([noisy, timbre[:, None].expand(-1, 16, -1)], dim=2))
        loss = F.mse_loss(decoded, latents) + penalty * correlation_penalty(code, timbre)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        latents, melody, _, group = draw_excerpts(300)
        code = encoder(latents)
    told = probe_value(code.reshape(-1, 6).numpy(), melody[:, :, 0].reshape(-1).numpy())
    return told.score, probe_groups(pool_over_time(code.numpy()), group.tolist()).leakage


def test_the_penalty_takes_the_timbre_out_of_a_learned_code_and_leaves_the_melody() -> None:
    melody, leakage = _learn(penalty=0.0)
    assert melody > 0.9
    assert leakage > 0.7
    melody, leakage = _learn(penalty=4.0)
    assert melody > 0.8
    assert leakage < 0.4
