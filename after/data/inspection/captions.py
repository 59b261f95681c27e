"""Names from file systems made fit for a picture."""

from after.data.inspection.description import printable


def caption(text: str, longest: int) -> str:
    """Give a file's or group's name in at most `longest` characters, to be drawn as it is.

    Args:
        text: any name, also one that is not UTF-8 or holds control characters.
        longest: number of characters kept; what is too long loses its middle, as names often differ at their end.
    """
    text = printable(text)
    if len(text) > longest:
        kept = longest - 3
        text = text[: kept // 2] + "..." + text[len(text) - (kept - kept // 2) :]
    return text.replace("$", r"\$")  # a pair of dollars would set mathematics
