"""TOML presets to frozen dataclasses: `extends`, dotted overrides, and snapshots that come back unchanged.

People write TOML, code sees frozen dataclasses, machines write JSON. Nothing here knows any particular settings class.
"""

import dataclasses
import difflib
import tomllib
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from after.errors import ConfigError

T = TypeVar("T")

PRESET_FOLDER = Path(__file__).parent / "presets"


def list_presets(folder: Path = PRESET_FOLDER) -> list[str]:
    """Give the names of the presets in `folder`, sorted."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def load_settings(cls: type[T], preset: str | Path, overrides: Sequence[str] = ()) -> T:
    """Read a preset into a settings dataclass.

    Args:
        cls: a dataclass, which may hold other dataclasses.
        preset: the name of a bundled preset, or the path of a `.toml` file. Its key `extends` names another preset
            (a bundled name, or a path beside the file) whose values it changes.
        overrides: assignments such as `training.seed=7`, applied last. The right side is read as a TOML value and
            otherwise taken as text, so `name=piano` needs no quotes.

    Raises:
        ConfigError: for a missing preset, an unknown key, a wrong type or a refused value; names file and dotted key.
    """
    path = _find_preset(preset)
    values = _read_preset(path, ())
    for override in overrides:
        _apply_override(values, override)
    return from_dict(cls, values, source=str(path))


def from_dict(cls: type[T], values: Mapping[str, object], *, source: str = "snapshot") -> T:
    """Build a settings dataclass from plain values, as they come out of JSON or TOML.

    Args:
        cls: the dataclass to build.
        values: nested mappings of plain values.
        source: where the values come from; error messages start with it.

    Raises:
        ConfigError: for an unknown or missing key, a wrong type or a refused value.
    """
    settings: T = _build(cls, values, source, "")
    return settings


def to_dict(settings: object) -> dict[str, Any]:
    """Give the nested plain values of a settings dataclass, ready for JSON; `from_dict` gives the same object back."""
    if not dataclasses.is_dataclass(settings) or isinstance(settings, type):
        raise ConfigError(f"{type(settings).__name__} is not a settings object: give an instance of a dataclass")
    return {field.name: _plain(getattr(settings, field.name)) for field in dataclasses.fields(settings)}


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return str(value) if isinstance(value, Path) else value


def _find_preset(preset: str | Path) -> Path:
    """Bundled name or path; a name never shadows a file that is written with its suffix or folder."""
    path = Path(preset)
    if path.suffix == ".toml" and path.is_file():
        return path
    if path.parent == Path() and (PRESET_FOLDER / f"{path.stem}.toml").is_file() and path.suffix in ("", ".toml"):
        return PRESET_FOLDER / f"{path.stem}.toml"
    known = ", ".join(list_presets()) or "none"
    raise ConfigError(
        f"no preset {str(preset)!r}: give the path of a .toml file or one of the bundled presets: {known}"
    )


def _read_preset(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in seen:
        raise ConfigError(f"{path}: extends itself through {' -> '.join(step.name for step in seen)}: break the circle")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error
    parent = values.pop("extends", None)
    if parent is None:
        return values
    if not isinstance(parent, str):
        raise ConfigError(f"{path}: extends is {parent!r}; it takes the name or path of one preset, in quotes")
    beside = path.parent / parent
    parent_path = beside if beside.is_file() else _find_preset(parent)
    return _merge(_read_preset(parent_path, (*seen, path.resolve())), values)


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merge key by key, anything else (arrays too) is replaced."""
    merged = dict(base)
    for key, value in changes.items():
        both_tables = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both_tables else value
    return merged


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise ConfigError(f"override {override!r} is not an assignment: write it as key=value, e.g. training.seed=7")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    table = values
    for name in names[:-1]:
        child = table.get(name)
        table[name] = dict(child) if isinstance(child, Mapping) else {}
        table = table[name]
    table[names[-1]] = value


def _build(cls: Any, values: object, source: str, prefix: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{source}: {prefix.rstrip('.')} is {values!r}; it takes a table of settings")
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    for key in values:
        if key not in fields:
            raise ConfigError(f"{source}: unknown key {prefix}{key}: {_nearest(cls, str(key), prefix)}")
    values = {key: _complete(fields[key], value) for key, value in values.items()}
    built = {key: _convert(hints[key], value, source, f"{prefix}{key}") for key, value in values.items()}
    absent = (dataclasses.MISSING, dataclasses.MISSING)
    required = [name for name, field in fields.items() if (field.default, field.default_factory) == absent]
    if missing := [f"{prefix}{name}" for name in required if name not in built]:
        raise ConfigError(f"{source}: missing {', '.join(missing)}: add {'it' if len(missing) == 1 else 'them'}")
    try:
        return cls(**built)
    except ValueError as error:  # an invariant of __post_init__: say where the refused values stand
        raise ConfigError(f"{source}: {prefix.rstrip('.') or cls.__name__}: {error}") from error


def _complete(field: "dataclasses.Field[Any]", value: object) -> object:
    """Take what a table leaves out from the field's own default, which may differ from its class' defaults."""
    factory = field.default_factory
    default = field.default if factory is dataclasses.MISSING else factory()
    if not isinstance(value, Mapping) or not dataclasses.is_dataclass(default) or isinstance(default, type):
        return value
    return _merge(to_dict(default), value)


def _nearest(cls: Any, key: str, prefix: str) -> str:
    """Point to the key of that name in a table further down, else to the most similar one here."""
    known = [field.name for field in dataclasses.fields(cls) if field.init]
    below = [path for path in _paths_below(cls, prefix) if path.rpartition(".")[2] == key]
    if below:
        return f"did you mean {' or '.join(below)}?"
    if close := difflib.get_close_matches(key, known, n=1, cutoff=0.5):
        return f"did you mean {prefix}{close[0]}?"
    return f"known here: {', '.join(known) or 'none'}"


def _paths_below(cls: Any, prefix: str) -> list[str]:
    """Give the dotted keys of a settings class and of the classes inside it."""
    hints = get_type_hints(cls)
    paths = []
    for field in dataclasses.fields(cls):
        if field.init:
            paths.append(f"{prefix}{field.name}")
            if isinstance(hints[field.name], type) and dataclasses.is_dataclass(hints[field.name]):
                paths += _paths_below(hints[field.name], f"{prefix}{field.name}.")
    return paths


def _convert(hint: Any, value: object, source: str, key: str) -> Any:
    """Check one value against its annotation and give it in that type, or raise with file and dotted key."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _convert_optional(arguments, value, source, key)
    if dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else _build(hint, value, source, f"{key}.")  # type: ignore[arg-type]
    if origin is Literal and any(value == choice and type(value) is type(choice) for choice in arguments):
        return value
    if origin in (tuple, list) and isinstance(value, list | tuple):
        return _convert_items(origin, arguments, value, source, key)
    if origin is dict and isinstance(value, Mapping):
        return {str(name): _convert(arguments[1], item, source, f"{key}.{name}") for name, item in value.items()}
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise ConfigError(f"{source}: {key} is {value!r} ({type(value).__name__}); it takes {_describe(hint)}")


def _convert_optional(arguments: tuple[Any, ...], value: object, source: str, key: str) -> Any:
    if value is None and type(None) in arguments:
        return None
    choices = [argument for argument in arguments if argument is not type(None)]
    for choice in choices[:-1]:
        try:
            return _convert(choice, value, source, key)
        except ConfigError:
            continue
    return _convert(choices[-1], value, source, key)


def _convert_items(origin: Any, arguments: tuple[Any, ...], items: Sequence[object], source: str, key: str) -> Any:
    is_fixed = origin is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis)
    if is_fixed and len(items) != len(arguments):
        raise ConfigError(f"{source}: {key} has {len(items)} items; it takes {len(arguments)}")
    hints = arguments if is_fixed else (arguments[0],) * len(items)
    pairs = enumerate(zip(hints, items, strict=True))
    return origin(_convert(hint, item, source, f"{key}[{index}]") for index, (hint, item) in pairs)


def _describe(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"one of {', '.join(repr(choice) for choice in get_args(hint))}"
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
