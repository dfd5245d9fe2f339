"""CSV payloads that are none."""

import pytest

from streamforge.adapters.mqtt_config import PayloadKind, TopicRow
from streamforge.adapters.mqtt_message import Place
from streamforge.adapters.mqtt_payloads import decoder_of
from streamforge.adapters.mqtt_readings import Unreadable
from streamforge.adapters.tags import TagRow

ROW = TopicRow(topic="a", asset_id="a", payload=PayloadKind.CSV, tags=(TagRow(param="p", at="1"),))


@pytest.mark.parametrize("payload", [b"1" * 131_073, b'"' + b"1" * 200_000])
def test_a_cell_that_is_too_long_is_unreadable_and_not_the_end_of_the_unit(payload: bytes) -> None:
    with pytest.raises(Unreadable, match="no CSV: field larger than field limit"):
        decoder_of(ROW)(payload, Place("a"))
