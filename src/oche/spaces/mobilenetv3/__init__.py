"""The space of Once-for-All: a MobileNetV3 with elastic depth, kernel sizes and expansions."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "OnceForAll": "oche.spaces.mobilenetv3.network:OnceForAll",
        "decisions": "oche.spaces.mobilenetv3.network:decisions",
    },
)
