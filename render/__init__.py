"""Offline rendering: a timeline of notes becomes an audio file (MIDI or session in, wav, flac or ogg out)."""
