"""Reserved for the plugin that runs instruments inside a DAW: a native shell and a Python worker. Not built yet."""
