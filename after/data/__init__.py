"""Data: folders of audio to a store of chunks, and crops for training."""
