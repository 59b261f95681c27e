"""Descriptions of audio that people and models read: pitch, loudness, notes, mel bands, timbre statistics."""
