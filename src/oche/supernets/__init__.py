"""Supernets: one module that holds every candidate of every choice of a program, with shared weights.

Knows no space by name, no algorithm and no mixer; a mixer is whatever follows `Mixer`.
"""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Candidates": "oche.supernets.mixer:Candidates",
        "Drawn": "oche.supernets.drawn:Drawn",
        "Gate": "oche.supernets.drawn:Gate",
        "Mixer": "oche.supernets.mixer:Mixer",
        "Policy": "oche.supernets.policy:Policy",
        "Relaxed": "oche.supernets.relaxed:Relaxed",
        "Slot": "oche.supernets.drawn:Slot",
        "SuperResolver": "oche.supernets.resolver:SuperResolver",
        "Supernet": "oche.supernets.network:Supernet",
        "supernet": "oche.supernets.build:supernet",
        "KernelChoice": "oche.supernets.kernels:KernelChoice",
        "WidthChoice": "oche.supernets.width_choice:WidthChoice",
        "WidthShortcut": "oche.supernets.shortcuts:WidthShortcut",
        "elastic_width": "oche.supernets.width_choice:elastic_width",
        "elastic_kernel": "oche.supernets.kernels:elastic_kernel",
        "recalibrate": "oche.supernets.norm:recalibrate",
    },
)
