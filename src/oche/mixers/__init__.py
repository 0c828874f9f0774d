"""Mixers: how the candidates of a choice are drawn and mixed in a forward pass. One file each; a mixer knows no space."""

from oche._lazy import attach
from oche.loop.registry import Registry

registry = Registry("mixer", "oche.mixers")
registry.register("softmax", "oche.mixers.softmax:Softmax", "all candidates, weighted by a softmax of their logits (DARTS)")
registry.register(
    "partial-channels",
    "oche.mixers.partial_channels:PartialChannels",
    "1/K of the channels through another mixer, the rest pass by (PC-DARTS)",
)
registry.register("uniform-path", "oche.mixers.uniform_path:UniformPath", "one candidate a step, all alike (RSPS, SPOS)")
registry.register("gumbel-softmax", "oche.mixers.gumbel_softmax:GumbelSoftmax", "all candidates, weighted by a relaxed sample (SNAS)")
registry.register("gumbel-hard", "oche.mixers.gumbel_hard:GumbelHard", "the largest noisy logit, straight through (GDAS)")
registry.register("binary-path", "oche.mixers.binary_path:BinaryPath", "one sampled candidate behind a binary gate (ProxylessNAS)")
registry.register("reinmax", "oche.mixers.reinmax:ReinMax", "one sampled candidate, gradients of second order (ReinMax)")
registry.register("sampled-path", "oche.mixers.sampled_path:SampledPath", "one path by a controller that learns from rewards (ENAS)")
registry.register("tunas-path", "oche.mixers.tunas_path:TunasPath", "one sampled path, logits that learn from scores (TuNAS)")
registry.register("fair-path", "oche.mixers.fair_path:FairPath", "every candidate once in a step (FairNAS)")
registry.register("sigmoid", "oche.mixers.sigmoid:Sigmoid", "all candidates, each behind a gate of its own (FairDARTS)")
registry.register("auxiliary-skip", "oche.mixers.auxiliary_skip:AuxiliarySkip", "another mixer beside a skip that fades (DARTS-)")
registry.register("dirichlet", "oche.mixers.dirichlet:Dirichlet", "all candidates, weighted by a Dirichlet draw (DrNAS)")
registry.register("entangled", "oche.mixers.entangled:Entangled", "another mixer whose candidates share the largest kernel")
registry.register("skip-dropout", "oche.mixers.skip_dropout:SkipDropout", "another mixer with dropout behind its skips (P-DARTS)")
registry.register("elastic-path", "oche.mixers.elastic_path:ElasticPath", "random paths among the largest candidates, with a teacher (OFA)")
registry.register("sandwich", "oche.mixers.sandwich:Sandwich", "the largest, the smallest and random paths (BigNAS)")
registry.register("by-phase", "oche.mixers.by_phase:ByPhase", "one mixer for weight steps, another for arch steps (SETN)")
registry.register("widest", "oche.mixers.widest:Widest", "always the largest candidate: what is pruned afterwards")
registry.register("channel-scores", "oche.mixers.channel_scores:ChannelScores", "widths: a score for each step of channels, shrunk to zero")
registry.register("interpolation", "oche.mixers.interpolation:Interpolation", "widths: two sampled ones, interpolated over channels (TAS)")

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AuxiliarySkip": "oche.mixers.auxiliary_skip:AuxiliarySkip",
        "BinaryPath": "oche.mixers.binary_path:BinaryPath",
        "ByPhase": "oche.mixers.by_phase:ByPhase",
        "ChannelScores": "oche.mixers.channel_scores:ChannelScores",
        "Dirichlet": "oche.mixers.dirichlet:Dirichlet",
        "ElasticPath": "oche.mixers.elastic_path:ElasticPath",
        "Entangled": "oche.mixers.entangled:Entangled",
        "FairPath": "oche.mixers.fair_path:FairPath",
        "GumbelHard": "oche.mixers.gumbel_hard:GumbelHard",
        "GumbelSoftmax": "oche.mixers.gumbel_softmax:GumbelSoftmax",
        "Interpolation": "oche.mixers.interpolation:Interpolation",
        "PartialChannels": "oche.mixers.partial_channels:PartialChannels",
        "ReinMax": "oche.mixers.reinmax:ReinMax",
        "SampledPath": "oche.mixers.sampled_path:SampledPath",
        "Sandwich": "oche.mixers.sandwich:Sandwich",
        "Sigmoid": "oche.mixers.sigmoid:Sigmoid",
        "SkipDropout": "oche.mixers.skip_dropout:SkipDropout",
        "Softmax": "oche.mixers.softmax:Softmax",
        "Widest": "oche.mixers.widest:Widest",
        "TunasPath": "oche.mixers.tunas_path:TunasPath",
        "UniformPath": "oche.mixers.uniform_path:UniformPath",
    },
)
__all__ += ["registry"]
