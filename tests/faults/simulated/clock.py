"""Simulated time: monotonic seconds that only the world moves, and a wall clock beside them that can be set."""

START_US = 1_790_000_000_000_000


class Clock:
    """Has what the components use of the module `time`, and stands in its place. Not thread-safe."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self._wall_us = START_US
        self._since = self.seconds
        self._lived: list[tuple[int, int]] = []

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self.seconds

    def monotonic_ns(self) -> int:
        """The same in nanoseconds."""
        return int(self.seconds * 1e9)

    def time_ns(self) -> int:
        """The wall clock, nanoseconds since 1970."""
        return self.wall_us() * 1000

    def sleep(self, seconds: float) -> None:
        """Time passes, and nothing else happens."""
        self.seconds += seconds

    def wall_us(self) -> int:
        """The wall clock, microseconds since 1970."""
        return self._wall_us + int((self.seconds - self._since) * 1e6)

    def step(self, seconds: float) -> None:
        """Somebody sets the wall clock; not before 1970."""
        now = self.wall_us()
        self._lived.append((self._wall_us, now))
        self._since, self._wall_us = self.seconds, max(1_000_000, now + int(seconds * 1e6))

    def times_lived(self, start_us: int, end_us: int) -> int:
        """How often the wall clock went through some of this stretch."""
        return sum(a < end_us and start_us <= b for a, b in [*self._lived, (self._wall_us, self.wall_us())])
