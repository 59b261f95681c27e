"""What goes wrong with recorded audio, beside what goes wrong with rendering."""

from render.errors import RenderError


class GoldenError(RenderError, ValueError):
    """A file of cases, a reference or a tolerance that cannot be used."""
