import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from after.config import from_dict, list_presets, load_settings, to_dict
from after.errors import ConfigError
from after.settings import CodecTrainingSettings, DiffusionTrainingSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    width: int = 64
    kernel: tuple[int, int] = (3, 1)

    def __post_init__(self) -> None:
        if self.width % 8:
            raise ValueError(f"width is {self.width}; it takes multiples of 8")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    name: str
    rate: float = 1e-4
    is_causal: bool = True
    seed: int | None = None
    objective: Literal["flow", "edm"] = "flow"
    ratios: tuple[int, ...] = (2, 4)
    tags: list[str] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)
    folder: Path = Path("runs")
    layer: Layer = Layer()
    wide: Layer = Layer(width=128, kernel=(5, 2))
    layers: tuple[Layer, ...] = ()


def write(text: str, name: str = "preset.toml") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_every_supported_type_is_read() -> None:
    preset = write(
        """
        name = "a"
        rate = 3
        is_causal = false
        seed = 7
        objective = "edm"
        ratios = [8, 8, 16]
        tags = ["x"]
        weights = { mel = 1, loud = 0.5 }
        folder = "elsewhere"
        layer = { width = 8, kernel = [5, 2] }
        layers = [{ width = 16 }, {}]
        """
    )
    assert load_settings(Settings, preset) == Settings(
        name="a",
        rate=3.0,
        is_causal=False,
        seed=7,
        objective="edm",
        ratios=(8, 8, 16),
        tags=["x"],
        weights={"mel": 1.0, "loud": 0.5},
        folder=Path("elsewhere"),
        layer=Layer(width=8, kernel=(5, 2)),
        layers=(Layer(width=16), Layer()),
    )


def test_defaults_fill_what_a_preset_leaves_out() -> None:
    assert load_settings(Settings, write('name = "a"')) == Settings(name="a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "a"\nlayr = {}', "unknown key layr: did you mean layer?"),
        ('name = "a"\n[layer]\nwidht = 8', "unknown key layer.widht: did you mean layer.width?"),
        ('name = "a"\nzzz = 1', "unknown key zzz: known here: name, rate"),
        ("name = 3", r"name is 3 \(int\); it takes str"),
        ('name = "a"\nrate = "fast"', r"rate is 'fast' \(str\); it takes float"),
        ('name = "a"\nrate = true', r"rate is True \(bool\); it takes float"),
        ('name = "a"\nseed = 1.5', r"seed is 1.5 \(float\); it takes int"),
        ('name = "a"\nis_causal = 1', r"is_causal is 1 \(int\); it takes bool"),
        ('name = "a"\nobjective = "gan"', "it takes one of 'flow', 'edm'"),
        ('name = "a"\nratios = [2, "x"]', r"ratios\[1\] is 'x'"),
        ('name = "a"\nratios = 2', r"ratios is 2 \(int\); it takes tuple\[int, ...\]"),
        ('name = "a"\nlayer = { kernel = [1] }', "layer.kernel has 1 items; it takes 2"),
        ('name = "a"\nlayer = 3', "layer is 3; it takes a table of settings"),
        ('name = "a"\nlayers = [{ width = 7 }]', r"layers\[0\]: width is 7; it takes multiples of 8"),
        ("rate = 1.0", "missing name: add it"),
        ("name = ", "not a TOML file"),
    ],
)
def test_mistakes_are_named_with_file_and_key(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_settings(Settings, write(text))
    assert str(caught.value).startswith("preset.toml: ")


def test_a_missing_preset_lists_the_bundled_ones() -> None:
    with pytest.raises(ConfigError, match="no preset 'nothing_like_it'") as caught:
        load_settings(Settings, "nothing_like_it")
    assert all(name in str(caught.value) for name in list_presets())


def test_extends_merges_tables_and_replaces_arrays() -> None:
    write('name = "base"\nratios = [2, 2, 2]\n[layer]\nwidth = 16\nkernel = [7, 1]', "presets/base.toml")
    middle = write('extends = "base.toml"\nratios = [4]\n[layer]\nwidth = 32', "presets/middle.toml")
    top = write('extends = "presets/middle.toml"\nname = "top"', "top.toml")
    assert load_settings(Settings, middle).layer == Layer(width=32, kernel=(7, 1))
    assert load_settings(Settings, top) == Settings(name="top", ratios=(4,), layer=Layer(width=32, kernel=(7, 1)))


def test_extends_in_a_circle_is_refused() -> None:
    write('extends = "b.toml"', "a.toml")
    write('extends = "a.toml"', "b.toml")
    with pytest.raises(ConfigError, match=r"extends itself through a\.toml -> b\.toml"):
        load_settings(Settings, "a.toml")


def test_extends_takes_one_name() -> None:
    with pytest.raises(ConfigError, match="extends is 3"):
        load_settings(Settings, write("extends = 3"))


def test_overrides_come_last_and_are_read_as_toml() -> None:
    settings = load_settings(
        Settings,
        write('name = "a"\n[layer]\nwidth = 16\nkernel = [7, 1]'),
        ["layer.width=256", "rate=1e-3", "ratios=[1, 2]", "name=grand piano", "is_causal = false", "weights.mel=2"],
    )
    assert settings == Settings(
        name="grand piano",
        rate=1e-3,
        ratios=(1, 2),
        is_causal=False,
        weights={"mel": 2.0},
        layer=Layer(width=256, kernel=(7, 1)),
    )


@pytest.mark.parametrize("override", ["layer.width", "=3", "layer..width=3"])
def test_malformed_override_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match="is not an assignment"):
        load_settings(Settings, write('name = "a"'), [override])


def test_override_of_an_unknown_key_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown key layer\.widht: did you mean layer\.width\?"):
        load_settings(Settings, write('name = "a"'), ["layer.widht=8"])


def test_snapshot_survives_json() -> None:
    settings = Settings(name="a", seed=None, ratios=(8,), layers=(Layer(width=8),), weights={"mel": 0.5})
    assert from_dict(Settings, json.loads(json.dumps(to_dict(settings)))) == settings


def test_snapshot_of_a_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="give an instance"):
        to_dict(Settings)


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("width=8", "did you mean layer.width or wide.width?"),
        ("layer.widht=8", "did you mean layer.width?"),
        ("zzz=1", "known here: "),
    ],
)
def test_an_unknown_override_points_to_the_key_that_was_meant(override: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(hint)):
        load_settings(Settings, write('name = "a"'), [override])


def test_a_malformed_override_is_answered_with_a_key_that_both_trainings_have() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(Settings, write('name = "a"'), ["oops"])
    example = str(caught.value).rpartition("e.g. ")[2]
    for cls, preset in ((CodecTrainingSettings, "codec_44k"), (DiffusionTrainingSettings, "midi")):
        assert load_settings(cls, preset, [example]).training.seed == 7


def test_a_table_leaves_the_rest_of_the_fields_own_default() -> None:
    assert from_dict(Settings, {"name": "a", "wide": {"kernel": [7, 1]}}).wide == Layer(width=128, kernel=(7, 1))
