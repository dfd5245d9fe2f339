"""Records for tests, and the strategies that make random ones."""

from hypothesis import strategies as st

from streamforge.model import Kind, Names, ReadingBatch, Source, TimeQuality, Value, names

SOURCE = Source(asset_id="pump_1", adapter_id="plant", adapter_version="1", pipeline_id="line", hostname="gateway")
NAMES = names(("pressure", "running", "serial"), ("bar", "", ""), bytes([Kind.DOUBLE, Kind.BOOLEAN, Kind.STRING]))
NAN = float("nan")


def batch(
    seq: int = 1,
    *,
    count_before: int = 0,
    epoch: int = 1,
    values: tuple[float, ...] = (1.5, 1.0, NAN),
    adapter_id: str = "plant",
    gateway_time_us: int = 1_790_000_000_000_000,
    rejected: dict[str, int] | None = None,
) -> ReadingBatch:
    """Three readings of a pump: a pressure, whether it runs, its serial number."""
    return ReadingBatch(
        source=Source(asset_id="pump_1", adapter_id=adapter_id),
        epoch=epoch,
        seq=seq,
        count_before=count_before,
        gateway_time_us=gateway_time_us,
        time_quality=TimeQuality.SYNCED,
        names=NAMES if len(values) == 3 else plain_names(len(values)),
        values=values,
        others={2: "A-100"} if len(values) == 3 else {},
        device_times_us=(gateway_time_us - 1000,),
        rejected=rejected or {},
    )


def plain_names(count: int) -> Names:
    """Columns of doubles: parameter_0 and on."""
    return names(tuple(f"parameter_{index}" for index in range(count)), ("",) * count, bytes(count))


_texts = st.text(max_size=12)
_longs = st.integers(-(2**63), 2**63 - 1)
_others: st.SearchStrategy[Value] = st.one_of(st.none(), _longs, _texts)


@st.composite
def batches(draw: st.DrawFn) -> ReadingBatch:
    """Any batch that the codec must carry."""
    count = draw(st.integers(0, 12))
    columns = names(
        tuple(draw(st.lists(_texts, min_size=count, max_size=count))),
        tuple(draw(st.lists(_texts, min_size=count, max_size=count))),
        bytes(draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))),
    )
    indices = st.integers(0, max(0, count - 1))
    times = draw(st.sampled_from([0, 1, count]))
    return ReadingBatch(
        source=Source(asset_id=draw(_texts), adapter_id=draw(_texts), hostname=draw(_texts)),
        epoch=draw(_longs),
        seq=draw(_longs),
        count_before=draw(_longs),
        gateway_time_us=draw(_longs),
        time_quality=draw(st.sampled_from(TimeQuality)),
        names=columns,
        values=tuple(draw(st.lists(st.floats(allow_nan=False), min_size=count, max_size=count))),
        others=draw(st.dictionaries(indices, _others, max_size=3)) if count else {},
        qualities=bytes(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))),
        reasons=draw(st.dictionaries(indices, _texts, max_size=3)) if count else {},
        device_times_us=tuple(draw(st.lists(_longs, min_size=times, max_size=times))),
        rejected=draw(st.dictionaries(_texts, st.integers(0, 2**31 - 1), max_size=3)),
    )
