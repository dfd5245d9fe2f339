"""What every page is given, and how a template becomes text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from bottle import SimpleTemplate, html_escape

from streamforge.web import words
from streamforge.web.diagnosis import readable
from streamforge.web.last_values import LastValues
from streamforge.web.snapshot import Snapshot
from streamforge.web.verdict import Verdict

FOLDER = Path(__file__).parent
_TEMPLATES = FOLDER / "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One look at the gateway, with the words of the query string; `rate` is readings a second."""

    snapshot: Snapshot
    verdict: Verdict
    values: LastValues
    rate: float
    zone: tzinfo
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def now_us(self) -> int:
        """The moment of the snapshot."""
        return self.snapshot.taken_us

    def clock(self, time_us: int) -> str:
        """Local time of day."""
        return words.clock(time_us, self.now_us, self.zone)

    def since(self, time_us: int) -> str:
        """How long ago."""
        return words.since(time_us, self.now_us)


def breakable(name: str) -> str:
    """A name as HTML that may be broken after its underscores."""
    return str(html_escape(name)).replace("_", "_<wbr>")


def render(template: str, **names: object) -> str:
    """The template of that name, filled in; every `{{...}}` is escaped."""
    return str(
        _compiled(template).render(words=words, readable=readable, breakable=breakable, quote=quote, **names)
    ).strip()


@lru_cache(maxsize=64)
def _compiled(template: str) -> SimpleTemplate:
    source = (_TEMPLATES / f"{template}.html").read_text()
    return SimpleTemplate(source, name=template, lookup=[str(_TEMPLATES)])
