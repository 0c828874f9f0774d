"""Entangled kernels: candidates that differ in kernel size alone share the largest kernel.

    m = sum of the weights a_j of such candidates,   W_j = the centre of W, of size k_j, padded by zeros to the size of W
    out = m * candidate(x; kernel = sum over j of (a_j / m) W_j) + the other candidates, each with its weight

One convolution for the whole family. The factor m stands outside, because a batch norm behind the convolution cancels any factor of the
kernel: with `sum_j a_j W_j` inside, the weight of the family would all but vanish.
Source: Sukthanker et al. 2023 (weight entanglement in one-shot search); m outside is ours.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from oche.errors import ArgumentError
from oche.mixers._wrapping import Wrapping
from oche.supernets.drawn import Drawn, Slot, indices
from oche.supernets.mixer import Candidates, Mixer, name
from oche.supernets.outputs import weighted_sum


class Entangled(Wrapping):
    """Another mixer, whose candidates of one kind share their kernels.

    Args:
        inner: A mixer that adds its candidates, or the text of one; default `Softmax()`.
        transform: Whether a smaller kernel is the centre of the next larger one times a matrix that is learned, shared by all channels and
            the identity at the start (Cai et al. 2020, Once-for-All); otherwise it is that centre.

    Raises:
        ArgumentError: the inner mixer mixes in a way of its own.
    """

    def __init__(self, inner: Mixer | str | None = None, transform: bool = False) -> None:
        super().__init__(inner)
        self.transform = bool(transform)
        if isinstance(self.inner, Wrapping):
            kind = type(self.inner).__name__
            raise ArgumentError(
                f"entangled, inner: got {kind}, which goes around mixers itself; allowed: the other way round, {kind}(inner=Entangled())"
            )

    def build(self, slot: Slot, make: Callable[..., Any]) -> Candidates:
        """The candidates, where all but the largest of a family are views of the largest."""
        built = self.inner.build(slot, make)
        families: dict[Any, list[str]] = {}
        for label, module in built.modules.items():
            found = family(module)
            if found is not None:
                families.setdefault(found, []).append(label)
        modules = dict(built.modules)
        for labels in families.values():
            sizes = {label: sorted(_kernels(built.modules[label]).values()) for label in labels}
            order = sorted(labels, key=lambda label: sizes[label], reverse=True)
            for larger, label in itertools.pairwise(order):
                modules[label] = Cropped(built.modules[order[0]], built.modules[label], modules[larger], self.transform)
        return replace(built, modules=modules)

    def mix(self, slot: Slot, drawn: Drawn, candidates: Sequence[Callable[..., Any]], *inputs: Any, **named: Any) -> Any:
        """One run of each family, and of each candidate that has none."""
        gate = drawn.gate(slot)
        active = indices(gate, len(candidates))
        if gate.weights is None or len(active) == 1:
            return self.inner.mix(slot, drawn, candidates, *inputs, **named)
        owners: dict[int, list[int]] = {}
        for i in active:
            owner = candidates[i].owner if isinstance(candidates[i], Cropped) else candidates[i]  # type: ignore[union-attr]
            owners.setdefault(id(owner), []).append(i)
        outputs, scalars, labels = [], [], []
        for members in owners.values():
            mass = gate.weights[members].sum()
            labels.append(slot.labels[members[0]])
            if len(members) == 1:
                scalars.append(mass)
                outputs.append(candidates[members[0]](*inputs, **named))
                continue
            # Where the family weighs nothing at all, any mixture inside it does: nothing of it is seen.
            shares = gate.weights[members] / mass.clamp_min(1e-12)
            first = candidates[members[0]]
            owner: Any = first.owner if isinstance(first, Cropped) else first
            kernels = {_key(path): _blend(owner, path, [candidates[i] for i in members], shares) for path in _kernels(owner)}
            scalars.append(mass)
            outputs.append(functional_call(owner, kernels, inputs, named))
        return weighted_sum(outputs, scalars, labels, name(slot))

    def extract(self, slot: Slot, modules: Sequence[nn.Module], index: int, memo: dict[int, Any]) -> nn.Module:
        """A copy of a candidate with the part of the shared kernel that it uses."""
        module = modules[index]
        return module.plain() if isinstance(module, Cropped) else self.inner.extract(slot, modules, index, memo)


class Cropped(nn.Module):
    """A candidate that uses the centre of another one's kernels, and all its other tensors.

    Args:
        owner: The candidate that holds the weights.
        like: The candidate as the program builds it; only its structure is used.
        larger: The candidate with the next larger kernels.
        transform: Whether centres are multiplied by a matrix of this candidate's own.
    """

    def __init__(self, owner: nn.Module, like: nn.Module, larger: nn.Module, transform: bool) -> None:
        super().__init__()
        # In a tuple, so that they are no children: weights are held once.
        self._held = (owner, like, larger)
        self.kernels = _kernels(like)
        self.paths = tuple(self.kernels)
        self.matrices = nn.ParameterList([torch.eye(k * k) for k in self.kernels.values()] if transform else [])

    @property
    def owner(self) -> nn.Module:
        """The candidate that holds the weights."""
        return self._held[0]

    def kernel(self, path: str) -> Tensor:
        """The kernel of one convolution, of this candidate's size."""
        larger, size = self._held[2], self.kernels[path]
        if not len(self.matrices):
            return _centre(_weight(self.owner.get_submodule(path)), size)
        from_ = larger.kernel(path) if isinstance(larger, Cropped) else _weight(larger.get_submodule(path))
        centre = _centre(from_, size)
        return (centre.flatten(-2) @ self.matrices[self.paths.index(path)]).view_as(centre)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """The output with small kernels."""
        kernels = {_key(path): _padded(self.kernel(path), self.owner.get_submodule(path)) for path in self.paths}
        return functional_call(self.owner, kernels, inputs, named)

    def plain(self) -> nn.Module:
        """The candidate as the program builds it, with copies of these weights."""
        made = copy.deepcopy(self._held[1])
        state = {key: value.detach().clone() for key, value in self.owner.state_dict().items()}
        state.update({_key(path): self.kernel(path).detach().clone() for path in self.paths})
        norms = {path: module for path, module in self.owner.named_modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)}
        for path, norm in norms.items():  # whether it keeps statistics is the supernet's affair
            own = made.get_submodule(path)
            own.__dict__.update({k: v for k, v in norm.__dict__.items() if not k.startswith("_") or k == "_oche_running"})
            own._buffers = {k: copy.deepcopy(v) for k, v in norm._buffers.items()}
        made.to(next(iter(state.values())).device)
        made.load_state_dict(state)
        made.train(self.owner.training)
        return made


def family(module: nn.Module) -> Any:
    """What candidates of one family have in common: everything but their kernel sizes. None if a module has no kernel to share."""
    kernels = _kernels(module)
    if not kernels:
        return None
    signature = []
    for path, part in module.named_modules():
        if path in kernels:
            conv: Any = part
            settings = (conv.in_channels, conv.out_channels, conv.groups, conv.stride, conv.dilation, conv.padding_mode)
            signature.append((path, type(part), *settings, conv.bias is None))
        else:
            own = [tuple(tensor.shape) for tensor in part.parameters(recurse=False)]
            text = part.extra_repr() if not list(part.children()) else ""
            signature.append((path, type(part), text, *own))
    return tuple(signature)


def _kernels(module: nn.Module) -> dict[str, int]:
    """Sizes of the square odd kernels that keep the size up to the stride, by path."""
    found = {}
    for path, part in module.named_modules():
        if isinstance(part, nn.Conv2d) and len(set(part.kernel_size)) == 1 and part.kernel_size[0] % 2:
            k = part.kernel_size[0]
            if part.padding_mode == "zeros" and part.padding == tuple(d * (k // 2) for d in part.dilation):
                found[path] = k
    return found


def _blend(owner: nn.Module, path: str, members: Sequence[Any], shares: Tensor) -> Tensor:
    """The kernel of a family at one place."""
    conv = owner.get_submodule(path)
    kernels = [member.kernel(path) if isinstance(member, Cropped) else _weight(conv) for member in members]
    return torch.stack([share * _padded(kernel, conv) for share, kernel in zip(shares, kernels, strict=True)]).sum(0)


def _key(path: str) -> str:
    return f"{path}.weight".lstrip(".")


def _weight(conv: Any) -> Tensor:
    return conv.weight


def _centre(weight: Tensor, size: int) -> Tensor:
    cut = (weight.shape[-1] - size) // 2
    return weight if cut == 0 else weight[..., cut:-cut, cut:-cut]


def _padded(kernel: Tensor, conv: nn.Module) -> Tensor:
    """A kernel with zeros around it, in the size of a convolution's own."""
    cut = (_weight(conv).shape[-1] - kernel.shape[-1]) // 2
    return kernel if cut == 0 else functional.pad(kernel, (cut, cut, cut, cut))
