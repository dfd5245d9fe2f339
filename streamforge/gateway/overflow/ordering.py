"""From what is seen to what the helper process shall do, and what is remembered between its runs."""

from dataclasses import replace
from pathlib import Path

from streamforge.gateway.overflow import alarm_note, alarm_share
from streamforge.gateway.overflow.ahead import Outlook, look_ahead, table_retention
from streamforge.gateway.overflow.eviction import SHARE
from streamforge.gateway.overflow.loans import Loans
from streamforge.gateway.overflow.order import PENDING, Done, Order
from streamforge.gateway.overflow.plan import Held, merged, plan
from streamforge.gateway.overflow.sight import Sight
from streamforge.gateway.overflow.starts import Starts
from streamforge.gateway.overflow.tiers import Tier
from streamforge.progress import Partition

# Until alarms are read again that could not be thinned out: some segments of them each time.
THIN_SECONDS = 600.0


class Ordering:
    """With its notes in the directory `state`."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._gone, self._loans = Starts(state), Loans(state)
        self._thin_at = float("-inf")

    @property
    def is_left_over(self) -> bool:
        """Whether a run was cut short, which the next must end."""
        return (self._state / PENDING).exists()

    def wanted(self, sight: Sight, now_seconds: float, age_seconds: float) -> Order:
        """What there is to do, by what is known now. `age_seconds`: how old raw is that is downsampled away."""
        condition = sight.condition
        is_alarm_wanted = condition.tier is Tier.GATE
        note = alarm_note.load(self._state)
        order = Order(
            tier=condition.tier.word if condition.tier >= Tier.DOWNSAMPLE else SHARE,
            is_alarm_wanted=is_alarm_wanted,
            is_alarm_due=is_alarm_wanted != (note.is_sent if is_alarm_wanted else bool(note.raised_at_us)),
            used_percent=round(condition.use.percent, 1),
        )
        held = sight.held()
        if held is None:
            return order
        aged = sight.ages.old(now_seconds, age_seconds) if condition.tier >= Tier.DOWNSAMPLE else {}
        return self._with_cuts(order, sight, held, aged, is_thin_due=now_seconds >= self._thin_at)

    def _with_cuts(
        self, order: Order, sight: Sight, held: Held, aged: dict[Partition, int], *, is_thin_due: bool
    ) -> Order:
        logs, condition = sight.look.partitions, sight.condition
        is_known = sight.are_readers_heard
        outlook = look_ahead(logs, held, sight.budget, sight.starts) if is_known else Outlook()
        cuts = plan(
            logs,
            held,
            free_bytes=condition.use.excess_bytes() if condition.tier >= Tier.EVICT else 0,
            aged=aged,
            starts=sight.starts,
        )
        gone = self._gone.gone(logs, held) if is_known and not self.is_left_over else ()
        is_full = condition.alarms_percent >= 100 and is_thin_due
        return replace(
            order,
            # What went without being told comes before what is deleted behind it.
            cuts=(*gone, *merged((*outlook.cuts, *cuts))),
            retention=self._loans.change(outlook.retention, table_retention(sight.budget)),
            thin=alarm_share.candidates(logs, sight.budget.size_bytes, held, sight.starts) if is_full else (),
        )

    def begin(self, order: Order) -> None:
        """Before an order goes to the helper process. Raises OSError: then it must not."""
        if order.retention:
            self._loans.begin(order.retention)

    def settle(self, sight: Sight) -> None:
        """There is nothing to do: what is gone by now need not be told. Raises OSError."""
        if sight.are_readers_heard:
            self._gone.settle(sight.look.partitions)

    def note(self, order: Order, done: Done, now_seconds: float) -> None:
        """What came of an order. Raises OSError where that cannot be saved."""
        self._gone.evicted({Partition(one.topic, one.number): one.end for one in done.evicted})
        if done.barred:
            self._thin_at = now_seconds + THIN_SECONDS
        if order.retention and not done.error:
            self._loans.end()
