"""An accelerator and the network that runs on it, searched together: a search inside a search, as loops and as one word.

The outer search draws the hardware, and for each accelerator a fresh inner search fits a network to it. Nothing is trained or measured:
cost is a small analytic model, and `quality` stands for the accuracy that an experiment of yours would return. One search over everything,
with as many evaluations, is printed beside it: nesting is worth its price where the outer decision is dear to change, and here it is not.
Run: python examples/nested_flow.py
"""

from __future__ import annotations

import math

import oche

SIDE = 28  # features are SIDE x SIDE at every layer
BANDWIDTH = 16  # words a cycle from the main memory
# Energy of a multiply-add, a word from the buffer, a word from the main memory: the ratios of Chen et al. 2016 (Eyeriss).
MAC, BUFFER, MEMORY = 1, 6, 200
# Limits: area in processing elements, a kiloword of buffer taking four; latency in cycles; energy in multiply-adds.
AREA = 600
CYCLES = 30_000
ENERGY = 40_000_000


def program():
    """What is to be decided: four numbers of the hardware, two for each layer of the network."""
    hardware = {
        "elements": oche.oneof([64, 128, 256, 512, 1024], name="hw_elements"),
        "tile_in": oche.oneof([4, 8, 16, 32], name="hw_tile_in"),
        "tile_out": oche.oneof([4, 8, 16, 32], name="hw_tile_out"),
        "buffer": oche.oneof([4, 8, 16, 32, 64, 128], name="hw_buffer"),
    }
    network = [
        {"width": oche.oneof([8, 16, 24, 32, 48], name=f"net_width{i}"), "kernel": oche.oneof([1, 3, 5], name=f"net_kernel{i}")}
        for i in range(4)
    ]
    return {"hardware": hardware, "network": network}


def layer_cost(hardware, width_in, width_out, kernel):
    """Cycles and energy of one convolution: the array computes tile by tile, the memory feeds it, the slower of the two decides."""
    steps = math.ceil(width_in / hardware["tile_in"]) * math.ceil(width_out / hardware["tile_out"]) * kernel**2 * SIDE**2
    compute = steps * math.ceil(hardware["tile_in"] * hardware["tile_out"] / hardware["elements"])
    weights, inputs, outputs = kernel**2 * width_in * width_out, width_in * SIDE**2, width_out * SIDE**2
    # Inputs are read once for every share of the weights that the buffer holds beside `kernel` rows of the inputs.
    room = max(1, 1024 * hardware["buffer"] - kernel * SIDE * width_in)
    words = weights + math.ceil(weights / room) * inputs + outputs
    macs = kernel**2 * width_in * width_out * SIDE**2
    buffered = macs / hardware["tile_in"] + macs / hardware["tile_out"]
    return max(compute, words / BANDWIDTH), macs * MAC + buffered * BUFFER + words * MEMORY


def cost(child):
    """Area, latency in cycles, energy in multiply-adds."""
    hardware, width_in, cycles, energy = child["hardware"], 3, 0.0, 0.0
    for layer in child["network"]:
        more = layer_cost(hardware, width_in, layer["width"], layer["kernel"])
        cycles, energy, width_in = cycles + more[0], energy + more[1], layer["width"]
    return hardware["elements"] + 4 * hardware["buffer"], cycles, energy


def quality(network):
    """Saturates with capacity and with the width of the receptive field."""
    capacity = sum(math.log2(layer["width"] * layer["kernel"] ** 0.5) for layer in network) / len(network)
    field = 1 + sum(layer["kernel"] - 1 for layer in network)
    return 1 - 0.5 ** (capacity - 1) - 0.3 * math.exp(-field / 4)


def reward(child):
    """Quality, less what is over the limits of area, latency and energy."""
    area, cycles, energy = cost(child)
    over = [max(0.0, area / AREA - 1), max(0.0, cycles / CYCLES - 1), max(0.0, energy / ENERGY - 1)]
    return quality(child["network"]) - 0.2 * sum(over)


def nested(outer="regularized-evolution", inner="regularized-evolution", n_outer=20, n_inner=50, seed=0):
    """Two plain loops: best reward, its child, number of evaluations."""
    seen = []
    for half, outer_feedback in oche.sample(program, outer, n_outer, seed=seed, where="^hw_"):
        # The hardware is decided; `half` is a program whose choices are those of the network.
        rewards = []
        for child, feedback in oche.sample(half, inner, n_inner, seed=outer_feedback.seed):
            rewards.append(reward(child))
            seen.append((rewards[-1], child))
            feedback(rewards[-1])
        outer_feedback(max(rewards))
    return *max(seen, key=lambda pair: pair[0]), len(seen)


def as_flow(flow, algorithm="regularized-evolution", trials=1000, seed=0):
    """The same search by the name of a flow: best reward, its child, number of evaluations."""
    runs = oche.search(program, algorithm, reward, flow, budget=oche.Budget(trials=trials), seeds=[seed], progress=False)
    best = max(runs[0].trials, key=lambda trial: trial.feedback.scalar)
    return best.feedback.scalar, runs.space.decode(best.dna), len(runs[0].trials)


def main():
    print(f"{'':40} {'reward':>7} {'evaluations':>12} {'area':>6} {'cycles':>8} {'energy':>11}")
    found = {"two loops": nested()}
    for flow in ("factorized?outer=^hw_&outer_trials=20", "joint"):
        found[flow] = as_flow(flow)
    found["joint, random"] = as_flow("joint", "random")
    for title, (value, child, evaluations) in found.items():
        area, cycles, energy = cost(child)
        print(f"{title:40} {value:7.4f} {evaluations:12d} {area:6d} {cycles:8.0f} {energy:11.0f}")
        print(f"    hardware {child['hardware']}")
        print(f"    network  {[(layer['width'], layer['kernel']) for layer in child['network']]} (width, kernel)")


if __name__ == "__main__":
    main()
