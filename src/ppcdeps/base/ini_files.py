"""INI files: read by configparser, whose faults become one kind of error."""

import configparser
import re

from ppcdeps.model.ceilings import CEILINGS, beyond

_LONG_BLANK = re.compile(r"(?<=\S)[^\S\n]{5,}")


class IniError(ValueError):
    """The text is no INI file. Says why, on one line."""


def read_ini(parser: configparser.RawConfigParser, text: str, source: str) -> None:
    """Fill the parser with the options of a text; ``source`` is what messages call it. Raises IniError."""
    # configparser takes quadratic time for a line with long blanks, and for many faults.
    if text.count("\n") > CEILINGS.document_lines:
        raise IniError(f"it has {beyond('document_lines', 'more than')}")
    short = _LONG_BLANK.sub(" " * 4, text)
    try:
        parser.read_string(short, source=source)
    except configparser.Error as fault:
        raise IniError(" ".join(fault.message.split())[:500]) from fault
    except AttributeError as fault:
        # Python before 3.13 fails so where an option without a value has a continuation line.
        raise IniError("an option without a value goes on in the next line") from fault
    except ValueError as fault:
        raise IniError(" ".join(str(fault).split())) from fault
