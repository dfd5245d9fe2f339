"""The simulated plant for demos, tests and benches."""
