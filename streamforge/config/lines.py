"""Where each key of a TOML text stands. `tomllib` does not say, so a small scanner walks the same text again.

It reads only text that `tomllib` has accepted, and therefore never has to judge.
"""

import re

Path = tuple[str | int, ...]

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n,]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRINGS = (
    re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:\\.|[^"\\\n])*"'),
    re.compile(r"'[^'\n]*'"),
)
_SCALAR = re.compile(r"[^,\]}#\n]*")


def lines(text: str) -> dict[Path, int]:
    """Path of every key, table and array element -> the line, counted from 1, on which it first stands."""
    scanner = _Scanner(text)
    scanner.run()
    return scanner.found


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Path, int] = {}
        self.tables: dict[Path, int] = {}
        self._line = 1
        self._counted = 0

    def run(self) -> None:
        table: Path = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match.group()

    def _mark(self, path: Path) -> None:
        self._line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        self.found.setdefault(path, self._line)

    def _header(self) -> Path:
        is_array = self.text.startswith("[[", self.at)
        opening = self.at
        self.at += 2 if is_array else 1
        keys = self._keys()
        closing, self.at = self.at + (2 if is_array else 1), opening
        path: Path = ()
        for place, key in enumerate(keys):
            path = (*path, key)
            self._mark(path)
            if is_array and place == len(keys) - 1:
                self.tables[path] = self.tables.get(path, 0) + 1
            if path in self.tables:
                path = (*path, self.tables[path] - 1)
                self._mark(path)
        self.at = closing
        return path

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            keys.append(self._key())
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return keys
            self.at += 1

    def _key(self) -> str:
        quote = self.text[self.at]
        if quote not in "\"'":
            return self._skip(_BARE)
        inside = self._string()[1:-1]
        return _unescape(inside) if quote == '"' else inside

    def _pair(self, table: Path) -> None:
        self._skip(_SPACE)
        start = self.at
        keys = self._keys()
        after, self.at = self.at, start
        path = table
        for key in keys:
            path = (*path, key)
            self._mark(path)
        self.at = after + 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: Path) -> None:
        first = self.text[self.at]
        if first in "\"'":
            self._string()
        elif first == "[":
            self._array(path)
        elif first == "{":
            self._inline(path)
        else:
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        self.at += 1
        index = 0
        self._skip(_BLANK)
        while self.text[self.at] != "]":
            self._mark((*path, index))
            self._value((*path, index))
            index += 1
            self._skip(_BLANK)
        self.at += 1

    def _inline(self, path: Path) -> None:
        self.at += 1
        self._skip(_BLANK)
        while self.text[self.at] != "}":
            self._pair(path)
            self._skip(_BLANK)
        self.at += 1

    def _string(self) -> str:
        for pattern in _STRINGS:
            found = self._skip(pattern)
            if found:
                return found
        msg = f"not TOML at character {self.at}"
        raise ValueError(msg)


_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


def _unescape(text: str) -> str:
    def replaced(match: re.Match[str]) -> str:
        code = match.group(1)
        return _ESCAPES[code] if code in _ESCAPES else chr(int(code[1:], 16))

    return re.sub(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", replaced, text)
