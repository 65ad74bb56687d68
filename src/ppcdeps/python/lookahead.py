"""Pages and metadata fetched ahead of a resolution, in the index's workers."""

import threading
from collections.abc import Callable, Sequence

from ppcdeps.model.errors import PpcdepsError
from ppcdeps.python.provider import TargetProvider
from ppcdeps.python.requirements import PythonRequirement, applying


class LookAhead:
    """Follows requirements before the resolution comes to them, so that pages and metadata are there by then.

    A wrong guess costs a request and changes no answer.
    """

    def __init__(self, provider: TargetProvider) -> None:
        self._provider = provider
        self._index = provider.catalogue.index
        self._seen: set[str] = set()
        self._guard = threading.Lock()
        self._stopped = False

    def follow(self, wants: Sequence[PythonRequirement]) -> None:
        """Look after these, and what they lead to."""
        for want in wants:
            if want.url:
                continue
            with self._guard:
                if self._stopped or want.identifier in self._seen:
                    continue
                self._seen.add(want.identifier)
            self._index.project_later(want.name).add_done_callback(self._follower(want))

    def stop(self) -> None:
        """Begin nothing more."""
        with self._guard:
            self._stopped = True

    def _follower(self, want: PythonRequirement) -> Callable[[object], None]:
        def go_on(_: object) -> None:
            if not self._stopped:
                self._index.submit(lambda: self._expand(want))

        return go_on

    def _expand(self, want: PythonRequirement) -> None:
        if self._stopped:
            return
        # Faults are reported when the resolution comes to it, if it ever does.
        try:
            release = self._provider.best_guess(want)
            if release is None:
                return
            requires = self._provider.catalogue.metadata(release).requires
            self.follow(applying(requires, self._provider.catalogue.environment, want.extra, str(want.name)))
        except (PpcdepsError, ValueError, LookupError, TypeError, RecursionError):
            return
