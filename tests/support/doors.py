"""All doors of ppcdeps, by their names.

Nothing but loopback is asked, and every command works in the folders of its scene. A document of several files is a
tar archive of them.
"""

import importlib

from door import DOORS, Door

for _module in ("repositorydoors", "plandoors", "pythondoors", "systemdoors", "specdoors", "lockdoors"):
    importlib.import_module(_module)

__all__ = ["DOORS", "Door"]
