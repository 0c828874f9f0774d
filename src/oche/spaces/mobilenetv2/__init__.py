"""The space of ProxylessNAS: a MobileNetV2 with a choice in each block."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "OPS": "oche.spaces.mobilenetv2.network:OPS",
        "ProxylessNAS": "oche.spaces.mobilenetv2.network:ProxylessNAS",
    },
)
