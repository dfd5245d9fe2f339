"""TOML to frozen dataclasses, strictly: every fault at once, with file, line, key and what would be right."""

from streamforge.config.keyed import KeyedError, of_key
from streamforge.config.loading import load
from streamforge.config.protocols import kind_of
from streamforge.config.secrets import secrets_of
from streamforge.config.table_file import TableFile
from streamforge.config.values import Bounds, Limits

__all__ = ["Bounds", "KeyedError", "Limits", "TableFile", "kind_of", "load", "of_key", "secrets_of"]
