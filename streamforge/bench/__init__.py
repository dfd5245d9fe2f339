"""Measures the product: CPU microseconds per reading, memory, device flushes; real processes, a throw-away broker."""
