import re

import numpy as np
import pytest

from after.audio import write_audio
from render.effects import Effect, apply_effects, effect_presets, load_effects, parse_effects
from render.errors import EffectError

RATE = 44100


def impulse(at=3000, length=RATE, level=0.5):
    audio = np.zeros((2, length), dtype=np.float32)
    audio[:, at] = level
    return audio


def write_chain(tmp_path, text):
    path = tmp_path / "chain.toml"
    path.write_text(text)
    return path


def test_presets_are_shipped_with_descriptions():
    presets = effect_presets()
    assert {"none", "clean", "room", "plate", "wide"} <= set(presets)
    assert all(presets.values())


@pytest.mark.parametrize("name", sorted(effect_presets()))
def test_every_preset_loads_and_keeps_time_and_level(name):
    audio = impulse()
    processed = apply_effects(audio, load_effects(name), RATE)
    assert processed.shape == audio.shape
    assert np.isfinite(processed).all()
    assert np.abs(processed[0]).argmax() == 3000
    assert 0.3 < np.abs(processed).max() <= 0.9


def test_none_is_exact():
    assert load_effects("none") == ()
    audio = impulse()
    assert np.array_equal(apply_effects(audio, (), RATE), audio)


def test_a_file_gives_plugins_in_order(tmp_path):
    path = write_chain(
        tmp_path,
        'description = "x"\n[[effect]]\nplugin = "Gain"\ngain_db = -6.0206\n[[effect]]\nplugin = "Invert"\n',
    )
    effects = load_effects(path)
    assert effects == (Effect("Gain", (("gain_db", -6.0206),)), Effect("Invert"))
    np.testing.assert_allclose(apply_effects(impulse(), effects, RATE), -0.5 * impulse(), atol=1e-6)


def test_choices_and_switches_are_written_as_toml_has_them(tmp_path):
    path = write_chain(
        tmp_path,
        '[[effect]]\nplugin = "LadderFilter"\nmode = "HPF12"\n'
        '[[effect]]\nplugin = "BrickwallLimiter"\ntrue_peak = true\n',
    )
    assert apply_effects(impulse(), load_effects(path), RATE).shape == (2, RATE)


def test_impulse_responses_are_found_beside_the_file(tmp_path):
    response = np.zeros((1, 64), dtype=np.float32)
    response[0, 10] = 1.0
    write_audio(tmp_path / "hall.wav", response, RATE, subtype="FLOAT")
    path = write_chain(tmp_path, '[[effect]]\nplugin = "Convolution"\nimpulse_response_filename = "hall.wav"\n')
    assert np.abs(apply_effects(impulse(), load_effects(path), RATE)[0]).argmax() == 3010


@pytest.mark.parametrize("length", [1, 65, 8193, 30000])
@pytest.mark.parametrize(
    "effect",
    [
        Effect("BrickwallLimiter", (("lookahead_ms", 5.0), ("ceiling_db", -1.0))),
        Effect("Delay", (("delay_seconds", 0.01), ("mix", 0.5))),
        Effect("Compressor", (("threshold_db", 0.0), ("ratio", 4.0))),
        Effect("PitchShift", (("semitones", 0.0),)),
    ],
    ids=lambda value: getattr(value, "plugin", value),
)
def test_latency_of_plugins_is_taken_out_to_the_sample(effect, length):
    at = length // 3
    processed = apply_effects(impulse(at, length, 0.25), (effect,), RATE)
    assert processed.shape == (2, length)
    assert np.abs(processed[0]).argmax() == at


def test_two_runs_are_equal():
    audio = np.random.default_rng(0).standard_normal((2, RATE)).astype(np.float32) * 0.1
    effects = load_effects("wide")
    assert np.array_equal(apply_effects(audio, effects, RATE), apply_effects(audio, effects, RATE))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[[effect]]\nplugin = "Rverb"',
            r"effect 1: unknown plugin 'Rverb' \(did you mean Reverb\?\); plugins: Bitcrush",
        ),
        ('[[effect]]\nplugin = "Reverb"\nroom = 0.2', r"Reverb has no 'room' \(did you mean room_size\?\)"),
        ('[[effect]]\nplugin = "Reverb"\nroom_size = 5', r"Reverb refuses room_size = 5 \(Room Size"),
        ('[[effect]]\nplugin = "Reverb"\nroom_size = "big"', "room_size = 'big' must be a number"),
        ('[[effect]]\nplugin = "Reverb"\nroom_size = true', "room_size = True must be a number"),
        ('[[effect]]\nplugin = "Reverb"\nroom_size = [1]', r"room_size = \[1\] must be a number, true, false"),
        ('[[effect]]\nplugin = "BrickwallLimiter"\ntrue_peak = 1.0', "true_peak = 1.0 must be true or false"),
        ('[[effect]]\nplugin = "LadderFilter"\nmode = "LPF21"', r"mode = 'LPF21' is none of .*did you mean LPF24\?"),
        ('[[effect]]\nplugin = "Convolution"\nimpulse_response_filename = "no.wav"', "Convolution refuses"),
        ("[[effect]]\nroom_size = 0.2", "effect 1 has no plugin"),
        ('[effect]\nplugin = "Reverb"', r"write \[\[effect\]\]"),
        ('[[effects]]\nplugin = "Reverb"', "unknown key 'effects'"),
        ("effect = [1]", "effect 1 has no plugin"),
        ("[[effect", "not valid TOML"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(EffectError, match=message):
        load_effects(write_chain(tmp_path, text))


def test_an_unknown_preset_gets_the_nearest():
    with pytest.raises(EffectError, match=r"rom is neither .*did you mean room\?.*presets: clean, none"):
        load_effects("rom")


def test_a_binary_file_is_no_chain(tmp_path):
    path = tmp_path / "chain.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EffectError, match="cannot be read"):
        load_effects(path)


def test_tables_of_another_document_are_parsed_alike():
    assert parse_effects([{"plugin": "Invert"}], source="session") == (Effect("Invert"),)


PLUGINS = [
    *("Bitcrush", "BrickwallLimiter", "Chorus", "Clipping", "Compressor", "Delay", "Distortion", "Gain", "Invert"),
    *("GSMFullRateCompressor", "HighShelfFilter", "HighpassFilter", "LadderFilter", "Limiter", "LowShelfFilter"),
    *("LowpassFilter", "MP3Compressor", "NoiseGate", "PeakFilter", "Phaser", "PitchShift", "Resample", "Reverb"),
]


@pytest.mark.parametrize("chain", [*((Effect(name),) for name in PLUGINS), *map(load_effects, effect_presets())])
def test_it_does_not_matter_in_which_pieces_effects_hear(monkeypatch, chain):
    audio = (np.random.default_rng(0).standard_normal((2, 50_000)) * 0.1).astype(np.float32)
    whole = apply_effects(audio, chain, RATE)
    monkeypatch.setattr("render.large.PIECE_SAMPLES", 16_384)
    np.testing.assert_array_equal(apply_effects(audio, chain, RATE), whole)


def test_all_plugins_are_tried_in_pieces():
    with pytest.raises(EffectError, match=re.escape(", ".join(sorted({*PLUGINS, "Convolution"})))):
        parse_effects([{"plugin": "Nothing"}], source="x")
