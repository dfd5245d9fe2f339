"""Level U of the proving ground: the real components on a simulated broker, in one process, in simulated time."""
