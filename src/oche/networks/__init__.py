"""Building blocks of networks, and counts of their weights and multiply-adds. Knows nothing of search."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "NASBENCH201_OPS": "oche.networks._ops:NASBENCH201_OPS",
        "AvgPool": "oche.networks._ops:AvgPool",
        "Classifier": "oche.networks._skeleton:Classifier",
        "ElasticRule": "oche.networks._elastic:ElasticRule",
        "Counts": "oche.networks._count:Counts",
        "ReluConvNorm": "oche.networks._ops:ReluConvNorm",
        "ResizablePool": "oche.networks._sharp:ResizablePool",
        "ResidualReduction": "oche.networks._skeleton:ResidualReduction",
        "SharpSepConv": "oche.networks._sharp:SharpSepConv",
        "Skip": "oche.networks._ops:Skip",
        "Stem": "oche.networks._skeleton:Stem",
        "Zero": "oche.networks._ops:Zero",
        "elastic_layers": "oche.networks._elastic:elastic_layers",
        "elastic_rule": "oche.networks._elastic:elastic_rule",
        "register_elastic": "oche.networks._elastic:register_elastic",
        "count": "oche.networks._count:count",
        "AuxiliaryHead": "oche.networks._skeleton:AuxiliaryHead",
        "AuxiliaryOutput": "oche.networks._skeleton:AuxiliaryOutput",
        "CELL_OPS": "oche.networks._cell_ops:CELL_OPS",
        "DARTS_OPS": "oche.networks._cell_ops:DARTS_OPS",
        "DropPath": "oche.networks._drop_path:DropPath",
        "FactorizedReduce": "oche.networks._cell_ops:FactorizedReduce",
        "ImageNetStem": "oche.networks._skeleton:ImageNetStem",
        "Noise": "oche.networks._cell_ops:Noise",
        "SeparableConv": "oche.networks._cell_ops:SeparableConv",
        "StridedZero": "oche.networks._cell_ops:StridedZero",
        "set_progress": "oche.networks._drop_path:set_progress",
    },
)
