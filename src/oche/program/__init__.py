"""Programs with choices: nodes, choices, spaces and DNA. Knows no algorithm, no store and no task; torch is optional."""

from oche.program._detour import detour, wrap
from oche.program._formats import Difference
from oche.program._links import Derived, Ref, derived, ref
from oche.program._patch import Rule, on_key, on_member, on_path, on_type, on_value, patch, patcher, patchers
from oche.program.choice import Choice, ManyOf, NumberChoice, OneOf, Repeat
from oche.program.costs import MemberCost
from oche.program.dna import DNA
from oche.program.dna_array import DNAArray
from oche.program.layout import Point
from oche.program.making import custom, evolve, floatv, intv, manyof, oneof, permutate, recursive, repeat
from oche.program.node import Node, Partial, Symbol, symbolic
from oche.program.resolver import Collect, Decide, Resolver, Site, current
from oche.program.space import OpenProgram, Space, as_space
from oche.program.stratified import Strata, stratify
from oche.program.text_choice import TextChoice

__all__ = [
    "Choice",
    "Collect",
    "DNA",
    "DNAArray",
    "Decide",
    "Derived",
    "Difference",
    "ManyOf",
    "MemberCost",
    "Node",
    "NumberChoice",
    "OneOf",
    "OpenProgram",
    "Partial",
    "Point",
    "Ref",
    "Repeat",
    "Resolver",
    "Rule",
    "Site",
    "Space",
    "Strata",
    "Symbol",
    "TextChoice",
    "as_space",
    "current",
    "custom",
    "derived",
    "detour",
    "evolve",
    "floatv",
    "intv",
    "manyof",
    "on_key",
    "on_member",
    "on_path",
    "on_type",
    "on_value",
    "oneof",
    "patch",
    "patcher",
    "patchers",
    "permutate",
    "recursive",
    "ref",
    "repeat",
    "stratify",
    "symbolic",
    "wrap",
]
