"""Exported instruments: TorchScript files that hosts load."""
