"""`python -m after.evaluation` is `after evaluate`."""

import sys
from importlib.metadata import entry_points

if __name__ == "__main__":
    # Found through the entry point, because this package may not import the command line built on it.
    (program,) = entry_points(group="console_scripts", name="after")
    program.load()(["evaluate", *sys.argv[1:]])
