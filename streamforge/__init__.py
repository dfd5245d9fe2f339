"""StreamForge: an industrial data gateway. Layers and contracts: README.md, docs/architecture.md."""

__version__ = "0.1.0"
