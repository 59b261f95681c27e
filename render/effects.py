"""Effect chains: a small TOML file in, a pedalboard chain over an array out.

A chain file lists its effects in the order in which the audio meets them; plugins, parameters and units are
pedalboard's own (`wet_level`, `gain_db`, `delay_seconds`):

    description = "a small room"
    [[effect]]
    plugin = "Reverb"
    room_size = 0.3
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from render import large
from render.errors import EffectError

if TYPE_CHECKING:
    import pedalboard

_PRESETS = resources.files("render") / "presets"
_CONTAINERS = ("Chain", "Mix", "Pedalboard", "PluginContainer", "ExternalPlugin", "VST3Plugin", "IIRFilter")
_WHOLE = ("GSMFullRateCompressor", "PitchShift")
"""Plugins that sound otherwise where audio is handed to them in pieces; tests hold all others to it."""

_FLUSH_SAMPLES, _MAX_FLUSHES = 8192, 64
_NOT_PARAMETERS = ("is_effect", "is_instrument", "impulse_response")


@dataclass(frozen=True, slots=True)
class Effect:
    """One plugin by its pedalboard name, with its parameters in pedalboard's units."""

    plugin: str
    parameters: tuple[tuple[str, float | bool | str], ...] = ()


def effect_presets() -> dict[str, str]:
    """Give the chains that come with the package: name to description."""
    files = sorted(
        (entry for entry in _PRESETS.iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name
    )
    return {
        entry.name.removesuffix(".toml"): str(tomllib.loads(entry.read_text("utf-8")).get("description", ""))
        for entry in files
    }


def load_effects(name_or_path: str | Path) -> tuple[Effect, ...]:
    """Read a chain: the name of a shipped preset, or the path of a TOML file.

    Raises:
        EffectError: if there is no such preset or file, or it does not describe a chain that can be built.
    """
    presets = effect_presets()
    if str(name_or_path) in presets:
        text = (_PRESETS / f"{name_or_path}.toml").read_text("utf-8")
        return _parse(text, source=f"effects preset {name_or_path}", folder=Path())
    path = Path(name_or_path)
    if not path.is_file():
        hint = _nearest(str(name_or_path), presets)
        raise EffectError(
            f"{name_or_path} is neither an effects preset nor a file{hint}; presets: {', '.join(presets)}"
        )
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EffectError(
            f"{path} cannot be read as a TOML file ({error}); give a chain of [[effect]] tables"
        ) from error
    return _parse(text, source=str(path), folder=path.parent)


def parse_effects(tables: Sequence[Mapping[str, object]], *, source: str, folder: Path = Path()) -> tuple[Effect, ...]:
    """Turn the `[[effect]]` tables of a TOML document into effects, and prove that each can be built.

    Args:
        tables: one mapping per effect: `plugin` and its parameters.
        source: where they stand, for error messages.
        folder: what file names in parameters are relative to.

    Raises:
        EffectError: naming the nearest plugin or parameter where one is unknown.
    """
    effects = []
    for number, table in enumerate(tables, start=1):
        place = f"{source}: effect {number}"
        if not isinstance(table, Mapping) or not isinstance(table.get("plugin"), str):
            raise EffectError(f'{place} has no plugin; write for instance plugin = "Reverb"')
        parameters = []
        for name, value in table.items():
            if name == "plugin":
                continue
            if not isinstance(value, bool | int | float | str):
                raise EffectError(f"{place}: {name} = {value!r} must be a number, true, false or a text")
            is_file = name.endswith("_filename") and isinstance(value, str)
            parameters.append((name, str(folder / value) if is_file else value))  # type: ignore[operator]
        effect = Effect(str(table["plugin"]), tuple(parameters))
        _build(effect, place)
        effects.append(effect)
    return tuple(effects)


def effect_files(effects: Sequence[Effect]) -> tuple[Path, ...]:
    """Give the files that effects read, such as impulse responses."""
    return tuple(
        Path(str(value)) for effect in effects for name, value in effect.parameters if name.endswith("_filename")
    )


def apply_effects(audio: NDArray[np.float32], effects: Sequence[Effect], sample_rate: int) -> NDArray[np.float32]:
    """Run audio through a chain, from a fresh state, with the chain's latency taken out.

    pedalboard removes the latency that its plugins report, so sample n of the output belongs to sample n of the input
    and the length stays; what rings on after the last sample is lost, so pad first.

    Args:
        audio: [C, T] float32, one or two channels.
        effects: in order; none gives the input back.
        sample_rate: in Hz.

    Returns:
        [C, T] float32.
    """
    if not effects:
        return audio
    import pedalboard

    board = pedalboard.Pedalboard(  # type: ignore[attr-defined]
        [_build(effect, effect.plugin) for effect in effects]
    )
    if audio.shape[1] <= large.PIECE_SAMPLES or any(effect.plugin in _WHOLE for effect in effects):
        whole: NDArray[np.float32] = board(np.ascontiguousarray(audio, dtype=np.float32), float(sample_rate))
        return whole
    processed, done = large.zeros((audio.shape[0], audio.shape[1])), 0
    silence = np.zeros((audio.shape[0], _FLUSH_SAMPLES), dtype=np.float32)
    for here in (*(audio[:, piece] for piece in large.pieces(audio.shape[1])), *repeat(silence, _MAX_FLUSHES)):
        # the first piece comes back shorter by the latency of the chain, so silence after the last one drives it out
        part = board(np.ascontiguousarray(here, dtype=np.float32), float(sample_rate), reset=False)
        part = part[:, : audio.shape[1] - done]
        processed[:, done : done + part.shape[1]] = part
        done += part.shape[1]
        if done == audio.shape[1]:
            break
    return processed


def _parse(text: str, *, source: str, folder: Path) -> tuple[Effect, ...]:
    """Parse a whole chain file."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise EffectError(f"{source} is not valid TOML ({error})") from error
    for key in document:
        if key not in ("effect", "description"):
            raise EffectError(f"{source} has an unknown key {key!r}; a chain is a list of [[effect]] tables")
    tables = document.get("effect", [])
    if not isinstance(tables, list):
        raise EffectError(f"{source} writes [effect]; a chain is a list, so write [[effect]]")
    return parse_effects(tables, source=source, folder=folder)


def _build(effect: Effect, place: str) -> "pedalboard.Plugin":
    """Construct the plugin of an effect."""
    plugins = _plugins()
    if effect.plugin not in plugins:
        hint = _nearest(effect.plugin, plugins)
        raise EffectError(f"{place}: unknown plugin {effect.plugin!r}{hint}; plugins: {', '.join(sorted(plugins))}")
    plugin = plugins[effect.plugin]
    known = _parameter_names(plugin)
    arguments = {}
    for name, value in effect.parameters:
        if name not in known:
            takes = ", ".join(known) or "none"
            raise EffectError(f"{place}: {effect.plugin} has no {name!r}{_nearest(name, known)}; it takes {takes}")
        arguments[name] = _argument(plugin, name, value, place)
    try:
        built: pedalboard.Plugin = plugin(**arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise EffectError(f"{place}: {effect.plugin} refuses {_listed(effect)} ({reason})") from error
    return built


def _argument(plugin: Any, name: str, value: float | bool | str, place: str) -> object:
    """Turn a TOML value into what the plugin's constructor takes; choices are written as text."""
    if name.endswith("_filename"):
        return value
    default = getattr(plugin() if plugin.__name__ != "Convolution" else None, name, 1.0)
    members = getattr(type(default), "__members__", None)
    if members is not None:
        if value not in members:
            hint = _nearest(str(value), members)
            raise EffectError(f"{place}: {name} = {value!r} is none of {', '.join(members)}{hint}")
        return members[value]
    if isinstance(value, str) or isinstance(value, bool) is not isinstance(default, bool):
        needed = "true or false" if isinstance(default, bool) else "a number"
        raise EffectError(f"{place}: {name} = {value!r} must be {needed}")
    return value


def _plugins() -> dict[str, Any]:
    """Give pedalboard's own effects by name (no plugin files, no containers)."""
    import pedalboard

    return {
        name: member
        for name, member in vars(pedalboard).items()
        if isinstance(member, type)
        and not name.startswith("_")
        and issubclass(member, pedalboard.Plugin)
        and name not in _CONTAINERS
        and member is not pedalboard.Plugin
    }


def _parameter_names(plugin: type) -> list[str]:
    """Give what a plugin can be told, in alphabetical order."""
    return sorted(
        name
        for name in dir(plugin)
        if not name.startswith("_")
        and name not in _NOT_PARAMETERS
        and type(getattr(plugin, name)).__name__ == "property"
    )


def _nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name comes nearest, or nothing."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f" (did you mean {by_lower[close[0]]}?)" if close else ""


def _listed(effect: Effect) -> str:
    """Write an effect's parameters as they stand in the file."""
    return ", ".join(f"{name} = {value}" for name, value in effect.parameters) or "its defaults"
