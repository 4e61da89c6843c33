"""The error contract: what a user did wrong is one line and exit code 2; what we did wrong raises."""

from __future__ import annotations


class UserError(Exception):
    """A mistake of the person who runs the command.

    The message is one line: what is wrong, which value, where, and what to do instead.
    """


class SettingError(UserError):
    """A setting that is unknown, of the wrong type, out of range, or impossible beside another."""


class CorpusError(UserError):
    """A raw or packed corpus that is missing, damaged or of another format."""


class BundleError(UserError):
    """A run folder or model bundle that is missing, damaged or of another format."""


def check_is_list(*texts: object) -> None:
    """Raises TypeError for a text given instead of a list of texts: each letter would be taken for a text."""
    for text in texts:
        if isinstance(text, (str, bytes)):
            raise TypeError(f"{text[:40]!r} is one text, and a list of texts is needed. Put it into a list: [text]")
