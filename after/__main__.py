"""`python -m after` is `after`; so is `torchrun -m after`, which trains in several processes."""

from after.cli import main

if __name__ == "__main__":
    main()
