"""Programs with choices: nodes, choices, spaces and DNA. Knows no algorithm, no store and no task; torch is optional."""

from oche.program.choice import Choice, ManyOf, NumberChoice, OneOf, Repeat
from oche.program.costs import MemberCost
from oche.program.dna import DNA
from oche.program.dna_array import DNAArray
from oche.program.layout import Point
from oche.program.making import custom, evolve, floatv, intv, manyof, oneof, permutate, recursive, repeat
from oche.program.node import Node, Symbol, symbolic
from oche.program.resolver import Collect, Decide, Resolver, Site, current
from oche.program.space import OpenProgram, Space, as_space
from oche.program.stratified import Strata, stratify
from oche.program.text_choice import TextChoice

__all__ = [
    "DNA",
    "DNAArray",
    "Choice",
    "Collect",
    "Decide",
    "ManyOf",
    "MemberCost",
    "Node",
    "NumberChoice",
    "OneOf",
    "OpenProgram",
    "Point",
    "Repeat",
    "Resolver",
    "Site",
    "Space",
    "Strata",
    "Symbol",
    "TextChoice",
    "as_space",
    "current",
    "custom",
    "evolve",
    "floatv",
    "intv",
    "manyof",
    "oneof",
    "permutate",
    "recursive",
    "repeat",
    "stratify",
    "symbolic",
]
