"""When the doctor opens a new incarnation of the log, and where it says that offsets are given out anew."""

from pathlib import Path

import pytest

from streamforge.gateway.doctor import incarnation
from streamforge.incarnations import FILE, Incarnations
from streamforge.progress import Partition, Position
from tests.codec.segment_maker import segment, write
from tests.gateway.small_files import META, OTHER_META, log_directory

FLOW = Partition("flow.raw", 0)


class Gateway:
    """One gateway through its boots: each starts the doctor, then (as far as this goes) the broker."""

    def __init__(self, root: Path) -> None:
        self.kafka, self.public = root / "kafka", root / "run"
        self.kafka.mkdir()
        self.public.mkdir()

    @property
    def data(self) -> Path:
        return self.kafka / "data"

    def start(self, boot: str) -> list[str]:
        """What the doctor says; the broker then removes the mark of an orderly stop."""
        found = incarnation.keep(self.kafka, self.public, boot)
        (self.data / incarnation.STOPPED_IN_ORDER).unlink(missing_ok=True)
        return [str(one) for one in found]

    def stop(self) -> None:
        (self.data / incarnation.STOPPED_IN_ORDER).write_text('{"version":0,"brokerEpoch":7}')

    @property
    def known(self) -> Incarnations:
        """What the units read."""
        return Incarnations.from_json((self.public / FILE).read_bytes())


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    """A gateway that was formatted in boot `a`; ten records stand in the first partition."""
    gateway = Gateway(tmp_path)
    assert gateway.start("a") == []
    log_directory(gateway.data)
    (gateway.data / incarnation.RECOVERY_POINTS).unlink()
    write(gateway.data / "flow.raw-0", 0, segment(0, [4, 6]).data)
    assert gateway.start("a") == []
    return gateway


def test_killing_the_broker_opens_none(gateway: Gateway) -> None:
    assert gateway.start("a") == []
    assert gateway.known.current == 1
    before = (gateway.public / FILE).stat()
    gateway.start("a")
    assert (gateway.public / FILE).stat().st_ino == before.st_ino, "readers take any change for a new incarnation"


def test_an_orderly_stop_before_the_power_goes_opens_none(gateway: Gateway) -> None:
    gateway.stop()
    assert gateway.start("b") == []
    assert gateway.known.current == 1


def test_a_power_cut_opens_one_where_the_intact_records_end(gateway: Gateway) -> None:
    path = gateway.data / "flow.raw-0" / f"{0:020d}.log"
    path.write_bytes(path.read_bytes()[:-3])
    assert gateway.start("b") == [
        "incarnations.json: the power went: acknowledged records may be gone; opened incarnation 2"
    ]
    assert gateway.known.clamp(FLOW, Position(next_offset=10)) == Position(next_offset=4, incarnation=2)
    assert gateway.start("b") == [], "one for each cut"
    assert gateway.known.current == 2


def test_what_the_broker_trusts_is_not_read_again(gateway: Gateway) -> None:
    (gateway.data / incarnation.RECOVERY_POINTS).write_text("0\n1\nflow.raw 0 25\n")
    write(gateway.data / "flow.raw-0", 20, segment(20, [5, 5]).data)
    (gateway.data / "flow.raw-0" / f"{0:020d}.log").write_bytes(b"rotten")
    gateway.start("b")
    assert gateway.known.opened[-1].firsts[FLOW] == 30


def test_topics_of_kafkas_own_are_left_out(gateway: Gateway) -> None:
    write(gateway.data / "__consumer_offsets-0", 0, segment(0, [1]).data)
    gateway.start("b")
    assert {place.topic for place in gateway.known.opened[-1].firsts} == {"flow.raw"}


@pytest.mark.parametrize("now", [None, OTHER_META], ids=["moved aside", "exchanged"])
def test_another_log_begins_at_the_start(gateway: Gateway, now: bytes | None) -> None:
    if now is None:
        gateway.data.rename(gateway.kafka / "elsewhere")
    else:
        (gateway.data / "meta.properties").write_bytes(now)
    assert gateway.start("a") == [
        "incarnations.json: it is another log: acknowledged records may be gone; opened incarnation 2"
    ]
    assert gateway.known.clamp(FLOW, Position(next_offset=10)) == Position(next_offset=0, incarnation=2)
    if now is None:
        log_directory(gateway.data)
        (gateway.data / "meta.properties").write_bytes(OTHER_META)
    assert gateway.start("a") == []


def test_a_log_that_comes_back_keeps_its_positions(gateway: Gateway) -> None:
    gateway.data.rename(gateway.kafka / "elsewhere")
    gateway.start("a")
    log_directory(gateway.data)
    (gateway.data / "meta.properties").write_bytes(OTHER_META)
    gateway.start("a")
    gateway.data.rename(gateway.kafka / "never served")
    (gateway.kafka / "elsewhere").rename(gateway.data)
    assert gateway.start("a") == [
        "incarnations.json: the log before is back: acknowledged records may be gone; opened incarnation 3"
    ]
    assert gateway.known.clamp(FLOW, Position(next_offset=8)) == Position(next_offset=8, incarnation=3)
    assert gateway.start("a") == []


def test_without_recovery_points_the_newest_two_segments_are_read(gateway: Gateway) -> None:
    for base in (10, 20, 30):
        write(gateway.data / "flow.raw-0", base, segment(base, [10]).data)
    (gateway.data / "flow.raw-0" / f"{0:020d}.log").write_bytes(b"rotten")
    gateway.start("b")
    assert gateway.known.opened[-1].firsts[FLOW] == 40


def test_the_list_is_there_for_all_even_where_the_next_step_fails(gateway: Gateway) -> None:
    gateway.start("b")
    (gateway.public / FILE).unlink()  # as after a boot
    (gateway.data / "flow.raw-0" / f"{0:020d}.log").unlink()
    (gateway.data / "flow.raw-0" / f"{0:020d}.log").mkdir()
    with pytest.raises(OSError, match="directory"):
        gateway.start("c")
    assert gateway.known.current == 2


def test_a_rebuilt_meta_properties_is_the_same_log(gateway: Gateway) -> None:
    rebuilt = META.replace(b"cluster.id=ZdSYyD", b"cluster.id=AdSYyD")
    (gateway.data / "meta.properties").write_bytes(rebuilt)
    assert gateway.start("a") == []


def test_when_nobody_knows_who_wrote_last_it_may_have_been_a_cut(gateway: Gateway) -> None:
    (gateway.kafka / incarnation.WRITER_FILE).write_text("{")
    gateway.start("a")
    assert gateway.known.opened[-1].firsts == {FLOW: 10, Partition("flow.raw", 1): 0}


def test_the_list_is_kept_twice(gateway: Gateway) -> None:
    gateway.start("b")
    (gateway.kafka / FILE).write_bytes(b"\0" * 40)
    gateway.start("c")
    assert gateway.known.current == 3


def test_a_lost_list_makes_every_position_of_it_begin_again(gateway: Gateway) -> None:
    gateway.start("b")
    for name in (FILE, incarnation.SECOND_FILE):
        (gateway.kafka / name).write_bytes(b"")
    gateway.start("b")
    for number in (1, 2, 3):
        assert gateway.known.clamp(FLOW, Position(next_offset=10, incarnation=number)).next_offset == 0
    assert gateway.start("b") == []


def test_a_list_that_is_lost_twice_while_the_clock_stands_in_1970_is_told_from_the_one_before(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incarnation, "now_us", lambda: 30_000_000)
    numbers = []
    gateway.start("b")
    for _ in range(2):
        for name in (FILE, incarnation.SECOND_FILE):
            (gateway.kafka / name).write_bytes(b"")
        gateway.start("b")
        numbers.append(gateway.known.current)
    for number in (29, 30, numbers[0]):
        assert gateway.known.clamp(FLOW, Position(next_offset=10, incarnation=number)).next_offset == 0
