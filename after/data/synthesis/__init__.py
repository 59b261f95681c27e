"""Phrase synthesis: multi-sampled instruments and MIDI files to paired recordings."""

from after.data.synthesis.player import PhraseSynthesizer
from after.data.synthesis.samples import Sample, SampledInstrument, load_instruments

__all__ = ["PhraseSynthesizer", "Sample", "SampledInstrument", "load_instruments"]
