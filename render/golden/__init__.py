"""Golden audio: renders are recorded once, on purpose, and compared with what the same settings give today."""
