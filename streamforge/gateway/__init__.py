"""What runs around the components: the broker, its topics, generations of the configuration, the ledger."""
