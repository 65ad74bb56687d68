"""Text from outside in a form that a terminal shows and that no terminal obeys."""

_INVISIBLE = frozenset(
    [0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x3164, *range(0xFE00, 0xFE10), 0xFFA0]
)
"""Letters and marks that Unicode has shown as nothing (Default_Ignorable_Code_Point), and Python calls printable."""


def visible(text: str) -> str:
    r"""The text in one line: characters that control a terminal, end a line, change the direction, or are not seen
    at all, are written as Python writes them (``\n``, ``\x9b``, ``\u202e``). A tab stays one.

    It may be applied twice: a backslash is left as it is.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if _is_shown(one) else one.encode("unicode_escape").decode() for one in text)


def visible_lines(text: str) -> str:
    """The same for a text of several lines, whose line feeds are ours."""
    return "\n".join(map(visible, text.split("\n")))


def _is_shown(one: str) -> bool:
    if one == "\t":
        return True
    # Variation selectors from U+E0100 on are marks, and as invisible as the others.
    return one.isprintable() and ord(one) not in _INVISIBLE and not 0xE0000 <= ord(one) < 0xE1000
