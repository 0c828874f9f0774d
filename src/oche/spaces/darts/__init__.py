"""The DARTS space: cells as a program, genotypes in text form and by name, and the spaces S1 to S4 of RobustDARTS."""

from oche._lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "EDGES": "oche.spaces.darts.cells:EDGES",
        "GENOTYPES": "oche.spaces.darts.genotypes:GENOTYPES",
        "TABLES": "oche.spaces.darts.op_tables:TABLES",
        "Darts": "oche.spaces.darts.network:Darts",
        "Genotype": "oche.spaces.darts.genotypes:Genotype",
        "decisions": "oche.spaces.darts.cells:decisions",
        "from_decisions": "oche.spaces.darts.cells:from_decisions",
        "genotype": "oche.spaces.darts.genotypes:genotype",
        "is_member": "oche.spaces.darts.cells:is_member",
        "op_table": "oche.spaces.darts.op_tables:op_table",
    },
)
