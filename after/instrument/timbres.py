"""The timbres of an instrument: named ones, those of recordings, and those on its map."""

import math
from difflib import get_close_matches

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from after.conditioning.timbre_map import TimbreMap
from after.errors import InstrumentError
from after.instrument.loading import LoadedInstrument

_MIN_TIMBRE_FRAMES = 8


class Timbres:
    """Find the timbre that is meant by a name, a recording, a vector or a place.

    Args:
        loaded: the instrument.

    Attributes:
        names: of the presets.
        positions: of the named timbres on the map.
        has_map: whether there is one.
    """

    def __init__(self, loaded: LoadedInstrument) -> None:
        self._presets = dict(loaded.timbres)
        self._engine = loaded.engine
        self._hop_length = loaded.hop_length
        self._size = loaded.timbre_size
        self._map = loaded.timbre_map
        self.names = tuple(self._presets)
        self.positions = dict(loaded.positions)
        self.has_map = self._map is not None

    def first(self) -> Tensor:
        """Give the first named timbre [E], or zeros where none is named."""
        return next(iter(self._presets.values()), torch.zeros(self._size))

    def vector(self, timbre: str | NDArray[np.float32]) -> Tensor:
        """Give the timbre [E] of a name, of audio [C, T] or of a vector [E].

        Raises:
            InstrumentError: unknown name, audio shorter than about 0.2 s, a vector of another size, or numbers that are
                not finite.
        """
        if isinstance(timbre, str):
            return self._preset(timbre)
        if timbre.ndim != 1:
            return _checked(self._encode(timbre))
        if timbre.size != self._size:
            raise InstrumentError(f"a timbre has {self._size} numbers, {timbre.size} were given")
        return _checked(torch.from_numpy(np.array(timbre, dtype=np.float32)))

    def at(self, x: float, y: float) -> NDArray[np.float32]:
        """Give the timbre [E] at a place of the map; beyond +-1 that of the edge.

        Raises:
            InstrumentError: if the instrument has no map, or a coordinate is no number.
        """
        timbre_map = self._need_map()
        if math.isnan(x) or math.isnan(y):
            raise InstrumentError(f"the place ({x}, {y}) is NaN: give numbers from -1 to 1")
        with torch.inference_mode():
            return np.array(timbre_map(torch.tensor([[x, y]], dtype=torch.float32))[0].numpy())

    def locate(self, timbre: str | NDArray[np.float32]) -> tuple[float, float]:
        """Give the place (x, y) of the map whose timbre is nearest to one.

        Raises:
            InstrumentError: if the instrument has no map, or `vector` would refuse the timbre.
        """
        timbre_map = self._need_map()
        if isinstance(timbre, str) and timbre in self.positions:
            return self.positions[timbre]
        with torch.inference_mode():
            x, y = timbre_map.locate(self.vector(timbre)[None])[0].tolist()
        return x, y

    def _need_map(self) -> TimbreMap:
        if self._map is None:
            raise InstrumentError("this instrument has no map of timbres: make its file again with after bundle")
        return self._map

    def _preset(self, name: str) -> Tensor:
        if name not in self._presets:
            near = get_close_matches(name, self._presets, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise InstrumentError(f"no timbre {name!r}{hint} There are: {', '.join(self._presets) or 'none named'}")
        return self._presets[name]

    def _encode(self, audio: NDArray[np.float32]) -> Tensor:
        mono = audio.mean(axis=0, dtype=np.float32)
        num_frames = mono.size // self._hop_length
        if num_frames < _MIN_TIMBRE_FRAMES:
            raise InstrumentError(f"{mono.size} samples are too short for a timbre: give a second or more")
        whole = torch.from_numpy(mono[: num_frames * self._hop_length].copy())[None, None]
        with torch.inference_mode():
            return self._engine.timbre_of(whole)[0].clone()


def _checked(timbre: Tensor) -> Tensor:
    """Refuse what is no number, which the network's memory would never lose again; keep the rest within +-1."""
    if not bool(torch.isfinite(timbre).all()):
        raise InstrumentError("the timbre holds values that are not finite; give audio or a vector without NaN")
    return timbre.clamp(-1.0, 1.0)
