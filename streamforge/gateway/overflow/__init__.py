"""The disk budget: how full the log is, what goes first, who is told, and when producers must wait."""
