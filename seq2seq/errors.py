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
