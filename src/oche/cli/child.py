"""`oche child`: a found network as a file: built, trained, shown, used for prediction, exported.

A network file holds weights and JSON and never code. A network of a user's own program is built again from the file that the user
names with --program; nothing is run because a network file says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from oche.cli import _compose as compose
from oche.cli import _options as option
from oche.cli._network import counted, describe, open_network, plain_arguments, read_meta
from oche.cli._output import Output
from oche.errors import ArgumentError, DNAError

command = typer.Typer(help="Work with a found network: build, show, predict, export.", no_args_is_help=True)

Net = Annotated[Path, typer.Argument(help="Network file, e.g. out/best.pt.", metavar="NET")]
ProgramOption = Annotated[str | None, typer.Option("--program", help="file.py:Name that built the network; not needed for a space.")]
Best = Annotated[Path | None, typer.Option("--best", help="best.json of a search: which member to build.")]
Dna = Annotated[str | None, typer.Option("--dna", help="Which member, as a list: '0,3,1'; '-' where a choice is not active.")]
GenotypeText = Annotated[
    str | None,
    typer.Option("--genotype", help="Which member, as a published name (PC_DARTS_CIFAR) or text Genotype(...); DARTS cells; or Path(...)."),
]
Train = Annotated[bool | None, typer.Option("--train/--no-train", help="Train it by the data's recipe; default: if --data is given.")]
Draw = Annotated[Path | None, typer.Option("--draw", help="SVG file for a drawing of the member.")]
Checkpoint = Annotated[
    Path | None,
    typer.Option("--checkpoint", help="File of the training, written after each epoch; with it the same command goes on after a kill."),
]
Engine = Annotated[str, typer.Option("--engine", help="What averages gradients over ranks: plain or accelerate.")]
Decisions = Annotated[str | None, typer.Option("--decisions", help="Which member, by labels: 'op0=conv3,op1=skip'.")]


@command.command()
def build(
    program: option.Program,
    channels: option.Channels = None,
    cells: option.Cells = None,
    out: Annotated[Path, typer.Option("--out", help="Network file to write.")] = Path("net.pt"),
    best: Best = None,
    dna: Dna = None,
    decisions: Decisions = None,
    genotype: GenotypeText = None,
    data: option.DataText = None,
    recipe: option.RecipeText = None,
    final: option.FinalText = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of weights and training.", min=0)] = 0,
    train: Train = None,
    checkpoint: Checkpoint = None,
    engine: Engine = "plain",
    device: option.Device = None,
    draw: Draw = None,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Build a member of a space, train it if --data is given, draw it, and save it.

    Example: oche child build net.py:Net --best out/best.json --data digits --out net.pt
    """
    from oche import training
    from oche.cli._program import load_space, sized
    from oche.tasks import architecture, final_arguments

    output = Output(as_json, quiet)
    if train and data is None:
        raise ArgumentError("--train: got it without --data; allowed: together; for example --train --data digits")
    space, source = load_space(sized(program, channels=channels, cells=cells))
    chosen = choose(space, best, dna, decisions, genotype)
    arguments = {**final_arguments(space), **plain_arguments(space), **compose.settings(final, "--final")}
    loaded = training.data.load(data) if data is not None else None
    task = compose.task(None, data, recipe, device=device) if loaded is not None else None
    if task is not None:
        arguments = {**task.arguments(space), **arguments}
        task.engine = engine
        task.checkpoint = str(checkpoint.absolute()) if checkpoint is not None else None
    elif checkpoint is not None:
        raise ArgumentError("--checkpoint: got it without --data; allowed: with a training; for example --train --data digits")
    build_it = partial(space.build, chosen, seed=seed, **arguments)
    child, metrics = _trained(build_it, task, seed) if task is not None and train is not False else (build_it(), {})
    counts = counted(child, loaded.shape if loaded is not None else None)
    meta = describe(space, source.text, chosen, arguments, seed, metrics, counts)
    training.save(out, child, meta, data=loaded)
    text = architecture(space, chosen)
    said = f"wrote {out}: {_size(meta)}{_said(meta)}\n{text}"
    if draw is not None:
        said += f"\nwrote {write_drawing(draw, text, meta['decisions'])}"
    output.result({"path": str(out), "arch": text, **({"drawing": str(draw)} if draw is not None else {}), **meta}, said)


@command.command()
def show(net: Net, draw: Draw = None, program: ProgramOption = None, as_json: option.Json = False, quiet: option.Quiet = False) -> None:
    """Say what a network file holds, and draw its member.

    Example: oche child show out/best.pt --draw cell.svg
    """
    output = Output(as_json, quiet)
    meta = read_meta(net)
    if draw is not None:
        from oche.cli._network import space_of
        from oche.program import DNA
        from oche.tasks import architecture

        space = space_of(meta, program)
        write_drawing(draw, architecture(space, DNA(tuple(meta["dna"]))), meta["decisions"])
    output.table(("what", "value"), [(k, v) for k, v in meta.items() if k != "input"])
    output.result(meta, f"{net}: {meta.get('space', '?')}, {_size(meta)}{_said(meta)}")


@command.command()
def predict(
    net: Net,
    program: ProgramOption = None,
    data: option.DataText = None,
    split: Annotated[str, typer.Option("--split", help="Split of the data set: train, valid or test.")] = "test",
    inputs: Annotated[Path | None, typer.Option("--input", help="Instead of --data: a .npy file of raw inputs, (n, ...).")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="CSV file for the class and its probability, one line per input.")] = None,
    device: option.Device = None,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Predict classes with a saved network; with --data also its accuracy.

    Example: oche child predict out/best.pt --program net.py:Net --data digits
    """
    import numpy as np

    from oche.files import write_text

    output = Output(as_json, quiet)
    saved = open_network(net, program, device)
    parts, y = _inputs(data, split, inputs)
    probabilities = np.concatenate([saved.predict(x) for x in parts])
    names = saved.meta.get("input", {}).get("classes") or [str(i) for i in range(probabilities.shape[1])]
    classes = probabilities.argmax(1)
    value: dict[str, Any] = {"n": len(classes), "classes": [names[c] for c in classes[:20]]}
    said = f"{len(classes)} predictions"
    if y is not None:
        value["accuracy"] = 100 * float(np.mean(classes == y))
        said += f", {value['accuracy']:.2f} % right on {split} of {data}"
    if out is not None:
        lines = [f"{names[c]},{p[c]:.6f}" for c, p in zip(classes, probabilities, strict=True)]
        write_text(out, "class,probability\n" + "\n".join(lines) + "\n")
        value["path"], said = str(out), f"{said}; wrote {out}"
    output.result(value, said)


@command.command()
def export(
    net: Net,
    out: Annotated[Path, typer.Option("--out", help="File to write: .onnx or .pt2.")],
    program: ProgramOption = None,
    format: Annotated[str | None, typer.Option("--format", help="onnx or torch.export; by the ending of --out if absent.")] = None,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Write a saved network for other programs to run. It takes normalized inputs and gives scores.

    Example: oche child export out/best.pt --program net.py:Net --out net.onnx
    """
    import torch

    from oche import training

    output = Output(as_json, quiet)
    formats = {".onnx": "onnx", ".pt2": "torch.export"}
    chosen = format or formats.get(out.suffix)
    if chosen is None:
        raise ArgumentError(f"--out: got {str(out)!r}; allowed: a name that ends in .onnx or .pt2, or --format")
    saved = open_network(net, program)
    shape = saved.meta.get("input", {}).get("shape")
    if shape is None:
        raise ArgumentError(f"network file {str(net)!r}: got no input shape; allowed: a network that was built with --data")
    path = training.export(saved.model, out, chosen, torch.zeros(2, *shape))
    counts = counted(saved.model, shape)
    said = f"wrote {path} ({chosen}): {_size(counts).removesuffix(', ')}"
    output.result({"path": str(path), "format": chosen, **counts}, said)


def _trained(build_it: Callable[[], Any], task: Any, seed: int) -> tuple[Any, dict[str, float]]:
    """A network after its final training, and its metrics; trained on all ranks of a launcher, on the processors that one may use.

    Raises:
        OcheError: the training failed.
    """
    from oche.loop import make_executor

    pool = make_executor("serial", threads=_threads())
    with pool:
        pool.start(partial(_train, build_it, task))
        pool.submit(0, seed)
        _, outcome = pool.next()
    if outcome.failure is not None:
        raise outcome.failure.exception or ArgumentError(f"training: got {outcome.failure.reason}; allowed: one that ends")
    return outcome.value


def _train(build_it: Callable[[], Any], task: Any, seed: int) -> tuple[Any, dict[str, float]]:
    child = build_it()
    return child, dict(task.report(child, seed).metrics)


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def write_drawing(path: Path, text: str, decisions: dict[str, Any]) -> Path:
    """The drawing of a member as an SVG file."""
    from oche.files import write_text
    from oche.judge import draw_program

    write_text(path, draw_program(text, decisions))
    return path


def choose(space: Any, best: Path | None, dna: str | None, decisions: str | None, genotype: str | None = None) -> Any:
    """The DNA that exactly one of four options names, checked against the space."""
    from oche.program import DNA

    if sum(o is not None for o in (best, dna, decisions, genotype)) != 1:
        raise ArgumentError("member: allowed: exactly one of --best, --dna, --decisions and --genotype; for example --best out/best.json")
    if genotype is not None:
        if genotype.lstrip().startswith("Path("):
            from oche.spaces import hypercuboid

            return space.encode_decisions(hypercuboid.decisions(space, genotype))
        from oche.spaces import darts

        return space.encode_decisions(darts.decisions(genotype))
    if decisions is not None:
        return space.encode_decisions({k: str(v) for k, v in compose.settings(decisions, "--decisions").items()})
    if best is not None:
        from oche.cli._results import read_best

        value = read_best(best)
        if value["fingerprint"] != space.fingerprint:
            raise DNAError(f"best file {best}: got a member of {value['space']!r}; allowed: a member of {space.name!r}; give its program")
        chosen = DNA(tuple(value["dna"]))
    else:
        chosen = DNA(tuple(_gene(part) for part in str(dna).split(",")))
    space.validate(chosen)
    return chosen


def _inputs(data: str | None, split: str, inputs: Path | None) -> tuple[Iterable[Any], Any]:
    """Raw inputs in parts, since a set of images may not fit into memory, and their classes where they are known."""
    import numpy as np

    from oche import training

    if (data is None) == (inputs is None):
        raise ArgumentError("inputs: allowed: exactly one of --data and --input; for example --data digits")
    if data is not None:
        loaded = training.data.load(data)
        if split not in loaded.splits:
            raise ArgumentError(f"--split: got {split!r}; allowed: {', '.join(loaded.splits)}")
        rows = loaded.splits[split]
        return (loaded.x[rows[i : i + 500]] for i in range(0, len(rows), 500)), loaded.y[rows]
    try:
        return [np.load(str(inputs), allow_pickle=False)], None
    except (OSError, ValueError) as error:
        raise ArgumentError(f"--input: got {str(inputs)!r}, which cannot be read ({error}); allowed: a .npy file of numbers") from None


def _gene(text: str) -> int | float | None:
    word = text.strip()
    if word in ("-", "None", "null"):
        return None
    try:
        return int(word)
    except ValueError:
        pass
    try:
        return float(word)
    except ValueError:
        raise ArgumentError(f"--dna: got {text!r}; allowed: numbers and '-', separated by commas") from None


def _size(meta: dict[str, Any]) -> str:
    names = {"params": "weights", "macs": "multiply-adds"}
    return "".join(f"{meta[key]:,} {name}, " for key, name in names.items() if key in meta)


def _said(meta: dict[str, Any]) -> str:
    metrics = meta.get("metrics", {})
    return ", ".join(f"{k} {metrics[k]:.2f} %" for k in ("valid", "test") if k in metrics) or "not trained"
