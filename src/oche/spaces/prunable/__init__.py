"""Networks whose widths are chosen; which axes are tied is found by tracing them. Also for networks of your own."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Axes": "oche.spaces.prunable._axes:Axes",
        "Group": "oche.spaces.prunable._axes:Group",
        "MobileNetV2": "oche.spaces.prunable._networks:MobileNetV2",
        "PreResNet": "oche.spaces.prunable._networks:PreResNet",
        "ResNet18": "oche.spaces.prunable._networks:ResNet18",
        "VGG16": "oche.spaces.prunable._networks:VGG16",
        "extract": "oche.spaces.prunable._resize:extract",
        "masked": "oche.spaces.prunable._resize:masked",
        "offer_widths": "oche.spaces.prunable._resize:offer_widths",
        "trace": "oche.spaces.prunable._axes:trace",
    },
)
