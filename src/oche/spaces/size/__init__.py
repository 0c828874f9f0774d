"""The size space of NATS-Bench: five widths of eight values, and its table."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Size": "oche.spaces.size._network:Size",
        "Table": "oche.spaces.size._table:Table",
        "from_text": "oche.spaces.size._network:from_text",
        "size_macs": "oche.spaces.size._counts:size_macs",
        "size_params": "oche.spaces.size._counts:size_params",
        "to_text": "oche.spaces.size._network:to_text",
    },
)
