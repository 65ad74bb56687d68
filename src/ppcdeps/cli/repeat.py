"""The command that the user typed, to be shown with a further option: without secrets, as logs keep it."""

import re

import click

from ppcdeps.base.urls import shown_url
from ppcdeps.cli.lazy_group import ARGUMENTS

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*", re.DOTALL)
_SECRET_OPTION = re.compile(r"((?:^|\.)(?:username|password|proxy_username|proxy_password)=).*", re.DOTALL)


def typed_command() -> tuple[str, ...]:
    """The words of the command that runs, the program's name first; its URLs and options have no passwords."""
    context = click.get_current_context()
    return (context.find_root().info_name or "", *map(_without_secrets, context.meta.get(ARGUMENTS, ())))


def _without_secrets(word: str) -> str:
    return _URL.sub(lambda found: shown_url(found[0]), _SECRET_OPTION.sub(r"\1***", word))
