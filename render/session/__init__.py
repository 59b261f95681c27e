"""Sessions: a TOML file that says what a DAW's project would, and the timeline that it becomes."""
